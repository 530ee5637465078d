"""Cold, no-op, rule change, dry run and rollback of four services on one lab host, beside a reference and a floor.

`python -m bench [--rounds N]`. The reference is an Ansible collection doing the same on the same kind of host.
Remote commands are counted by the host's own sshd.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.run import PYINFRA, pyinfra, timed
from lab.host import Host
from lab.machines import Lab

INVENTORY = "bench/inventories/lab.py"
REFERENCE = {"cold": 110.0, "no-op": 39.0, "rule change": 43.8, "dry run": 35.3}  # seconds
TARGET = {"cold": 10.0, "no-op": 1.5, "rule change": 3.0, "rollback": 3.0}


@dataclass(frozen=True)
class Sample:
    """One run: wall time in seconds, and what sshd counted."""

    seconds: float
    commands: int
    uploads: int


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    lab = Lab()
    lab.up(1)
    host = lab.host(1)
    cases: dict[str, Callable[[int], Sample]] = {
        "cold": lambda _: _cold(lab, host),
        "no-op": lambda _: _deploy(host),
        "dry run": lambda _: _deploy(host, "--dry"),
        "rule change": lambda n: _deploy(host, "--data", f"prometheus_target_down_for={n + 6}m"),
        "rollback": lambda n: _rollback(host, n),
    }
    framework, login = floor(host)
    print(f"floor: pyinfra's own start {framework:.2f} s, ssh login and one command {login:.2f} s\n")
    print(
        f"{'case':12} {'median s':>9} {'min–max':>13} {'commands':>9} {'uploads':>8} {'reference':>10} {'ratio':>6}"
        "  target"
    )
    for name, case in cases.items():
        samples = [case(number) for number in range(rounds)]
        _row(name, samples)


def _row(name: str, samples: list[Sample]) -> None:
    times = sorted(sample.seconds for sample in samples)
    median = statistics.median(times)
    reference = (
        f"{REFERENCE[name]:10.1f} {REFERENCE[name] / median:5.0f}×" if name in REFERENCE else f"{'–':>10} {'–':>6}"
    )
    target = f"≤ {TARGET[name]} s: {'met' if median <= TARGET[name] else 'MISSED'}" if name in TARGET else ""
    print(
        f"{name:12} {median:9.2f} {times[0]:6.2f}–{times[-1]:<6.2f} {samples[-1].commands:9} {samples[-1].uploads:8} "
        f"{reference}  {target}",
        flush=True,
    )


def _cold(lab: Lab, host: Host) -> Sample:
    lab.reset([host.number])
    return _deploy(host)


def _rollback(host: Host, number: int) -> Sample:
    """Of a configuration: one rule, which was changed just before."""
    _deploy(host, "--data", f"prometheus_target_down_for={number + 31}m")
    return _deploy(host, script="rollback.py")


def _deploy(host: Host, *flags: str, script: str = "deploy.py") -> Sample:
    before = host.sessions("command"), host.sessions("subsystem 'sftp'")
    start = time.monotonic()
    pyinfra(INVENTORY, script, *flags)
    seconds = time.monotonic() - start
    return Sample(seconds, host.sessions("command") - before[0], host.sessions("subsystem 'sftp'") - before[1])


def floor(host: Host) -> tuple[float, float]:
    """What no deploy can be quicker than: the framework's start, and a login with one command."""
    return timed(PYINFRA, "--version"), timed("ssh", *host.ssh_options(), host.name, "true")


if __name__ == "__main__":
    main()
