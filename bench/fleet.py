"""One host, ten and thirty; near and far: `python -m bench.fleet [--hosts 1 10 30] [--milliseconds 0 20 100]`.

Every host carries the same services. For each case: wall time, the controller's CPU time and memory, what sshd counted
on a host, and the bytes that went over the bridge between controller and hosts. The floor is measured beside it, over
the same distance: pyinfra's own start, and an ssh login with one command.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.latency import relays
from bench.run import ARTIFACTS, ENVIRONMENT, PYINFRA, ROOT, timed
from lab.machines import Host, Lab
from lab.relabel import next_version

INVENTORY = "bench/inventories/fleet/lab.py"
FOUR = "prometheus alertmanager node_exporter redis_exporter"
SETS = {"one": "node_exporter", "four": FOUR, "eight": f"{FOUR} mimir loki tempo grafana"}
PORT = 22000
START = """
systemctl restart lgtm-$1
url=$(sed -n "s/^ready [0-9]* //p" /opt/lgtm/current/services/$1)
until curl -sf -o /dev/null "$url"; do sleep 0.02; done
"""  # a service again, until it says that it is ready
MIB = 2**20


@dataclass(frozen=True)
class Sample:
    """One run: seconds of wall and CPU time, MiB of memory and over the bridge, remote commands on one host."""

    wall: float
    cpu: float
    memory: float
    moved: float
    commands: int


@dataclass
class Fleet:
    """Hosts that carry the same services, so many milliseconds away."""

    lab: Lab
    hosts: int
    services: str
    milliseconds: int
    binaries: Path
    changed: Iterator[int] = field(default_factory=lambda: iter(range(11, 1000)))

    @property
    def first(self) -> Host:
        return self.lab.host(1)

    def run(self, script: str, *flags: str, **env: str) -> Sample:
        """Run a script on all of them, and measure."""
        commands, moved = self.first.sessions("command"), _moved(self.lab)
        arguments = [PYINFRA, "-y", INVENTORY, script, *flags]
        started = time.monotonic()
        with subprocess.Popen(
            arguments, cwd=ROOT, env=self._environment() | env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            assert process.stderr
            said = process.stderr.read().decode()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - started
        if process.returncode not in (0, 2):
            raise SystemExit(said)
        return Sample(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024,
                      (_moved(self.lab) - moved) / MIB, self.first.sessions("command") - commands)  # fmt: skip

    def cases(self) -> dict[str, Callable[[], Sample]]:
        """What is measured, in an order in which each finds what it needs."""
        setting = (
            "prometheus_target_down_for={}m" if "prometheus" in self.services else "node_exporter_ready_timeout={}"
        )
        return {
            "cold": self._cold,
            "no-op": lambda: self.run("deploy.py"),
            "dry run": lambda: self.run("deploy.py", "--dry"),
            "verify": lambda: self.run("verify.py"),
            "setting changed": lambda: self.run("deploy.py", "--data", setting.format(next(self.changed))),
            "rollback": lambda: self.run("rollback.py"),
            "version changed": self._version,
        }

    def floor(self) -> tuple[float, float]:
        """The framework's start, and a login with one command."""
        return timed(PYINFRA, "--version"), timed(*self._ssh(), "true")

    def cold_floor(self) -> tuple[float, float]:
        """What no cold deploy of a host can be quicker than: its archives sent and unpacked, and the slowest start."""
        index, sent = json.loads((ARTIFACTS / "index.json").read_text()), 0.0
        for service in self.services.split():
            with (ARTIFACTS / index[service]["file"]).open("rb") as archive:
                sent += timed(*self._ssh(), "mkdir -p /tmp/floor && tar -xzf - -C /tmp/floor", stdin=archive)
        self.first.inside("rm", "-rf", "/tmp/floor")
        starts = [timed(*self._ssh(), f"sudo sh -c {shlex.quote(START)} start {one}") for one in self.services.split()]
        return sent, max(starts) - timed(*self._ssh(), "true")

    def _ssh(self) -> list[str]:
        options = list(self.first.ssh_options())
        if self.milliseconds:
            options += ["-o", "HostName=127.0.0.1", "-p", str(PORT + 1), "-o", "StrictHostKeyChecking=no"]
        return ["ssh", *options, self.first.name]

    def _cold(self) -> Sample:
        self.lab.reset(range(1, self.hosts + 1))
        return self.run("deploy.py")

    def _version(self) -> Sample:
        """One service's next version, from a folder of binaries; taken back afterwards, unmeasured."""
        sample = self.run("deploy.py", LGTM_BINARIES=str(self.binaries))
        self.run("deploy.py")
        return sample

    def _environment(self) -> dict[str, str]:
        port = str(PORT if self.milliseconds else 0)
        return ENVIRONMENT | {"BENCH_HOSTS": str(self.hosts), "BENCH_SERVICES": self.services, "BENCH_PORT": port}


def main() -> None:
    """Measure and print a table for each fleet."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet")
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 10, 30])
    parser.add_argument("--milliseconds", type=int, nargs="+", default=[0], help="of round-trip time added")
    parser.add_argument("--services", choices=tuple(SETS), default="four")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    lab = Lab()
    lab.up(max(options.hosts))
    with tempfile.TemporaryDirectory() as folder:
        binaries = _next_node_exporter(Path(folder))
        for milliseconds in options.milliseconds:
            for hosts in options.hosts:
                _measure(Fleet(lab, hosts, SETS[options.services], milliseconds, binaries), options.rounds)


def _measure(fleet: Fleet, rounds: int) -> None:
    for host in fleet.lab.hosts:
        if host.number > fleet.hosts:
            host.power_cut()  # what is not measured does not take part
    with ExitStack() as stack:
        if fleet.milliseconds:
            targets = {PORT + number: fleet.lab.host(number).address for number in range(1, fleet.hosts + 1)}
            stack.enter_context(relays(targets, fleet.milliseconds / 1000))
        framework, login = fleet.floor()
        floor = framework + login
        print(f"\n{fleet.hosts} hosts, {fleet.milliseconds} ms away, {len(fleet.services.split())} services each; "
              f"floor: pyinfra's start {framework:.2f} s + ssh login {login:.2f} s")  # fmt: skip
        print(f"{'case':16} {'median s':>9} {'min–max':>13} {'× floor':>8} {'CPU s':>7} {'MiB':>6} {'moved MiB':>10} "
              f"{'commands/host':>14}")  # fmt: skip
        for name, case in fleet.cases().items():
            samples = [case() for _ in range(1 if name == "cold" and fleet.hosts > 1 else rounds)]
            times = sorted(sample.wall for sample in samples)
            median, last = statistics.median(times), samples[-1]
            if name == "cold":
                sent, slowest = fleet.cold_floor()
                fleet.run("verify.py", "--data", "patience=180")  # until everything has flowed
                print(f"{'':16} of one host: sent and unpacked in {sent:.2f} s, slowest start {slowest:.2f} s")
            print(f"{name:16} {median:9.2f} {times[0]:6.2f}–{times[-1]:<6.2f} {median / floor:8.1f} {last.cpu:7.2f} "
                  f"{last.memory:6.0f} {last.moved:10.1f} {last.commands:14}", flush=True)  # fmt: skip


def _next_node_exporter(folder: Path) -> Path:
    """A folder of binaries with node_exporter as its next version."""
    known = json.loads((ARTIFACTS / "index.json").read_text())["node_exporter"]
    with tarfile.open(ARTIFACTS / known["file"]) as archive:
        archive.extractall(folder, filter="data")
    [program] = folder.glob("*/node_exporter")
    next_version(program, folder / "next")
    return folder / "next"


def _moved(lab: Lab) -> int:
    statistics_of = Path("/sys/class/net", lab.network.bridge, "statistics")
    return sum(int((statistics_of / name).read_text()) for name in ("rx_bytes", "tx_bytes"))


if __name__ == "__main__":
    main()
