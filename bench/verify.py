"""How long verify.py takes: of one host that carries everything, and of ten, nine of which it watches.

`python -m bench.verify [--rounds N]`. The whole is said beside its floor: pyinfra's own start and one ssh login.
"""

from __future__ import annotations

import argparse
import statistics
import time

from bench.__main__ import floor
from bench.run import pyinfra
from lab.machines import Lab

INVENTORY = "bench/inventories/many/lab.py"
TARGET = {1: 5.0, 10: 10.0}  # hosts → seconds


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.verify")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    lab = Lab()
    lab.up(max(TARGET))
    lab.reset(range(1, max(TARGET) + 1))
    framework, login = floor(lab.host(1))
    print(f"floor: pyinfra's own start {framework:.2f} s, ssh login and one command {login:.2f} s\n")
    print(f"{'hosts':>5} {'median s':>9} {'min–max':>13} {'times the floor':>16}  target", flush=True)
    for hosts, target in TARGET.items():
        _run(hosts, "deploy.py")
        _run(hosts, "verify.py", "--data", "patience=180")  # until everything has flowed
        times = sorted(_timed(hosts) for _ in range(rounds))
        median = statistics.median(times)
        met = "met" if median <= target else "MISSED"
        print(
            f"{hosts:5} {median:9.2f} {times[0]:6.2f}–{times[-1]:<6.2f} {median / (framework + login):16.1f}"
            f"  ≤ {target} s: {met}",
            flush=True,
        )


def _timed(hosts: int) -> float:
    start = time.monotonic()
    _run(hosts, "verify.py")
    return time.monotonic() - start


def _run(hosts: int, script: str, *flags: str) -> None:
    pyinfra(INVENTORY, script, *flags, BENCH_HOSTS=str(hosts))


if __name__ == "__main__":
    main()
