"""Control groups: the kernel's record of the processes that the lab started.

Each host and each service runs in its own group. Unlike a pid file, the record is never stale: a process in the group
is ours, and no other process is signalled. Hosts need their own groups anyway: two in one would share
`system.slice/ssh.service`, and neither would see its service stop.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError
from .waiting import until

START = """
while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done; shift
# 133 is how systemd-nspawn says that its guest wants to be started again: a reboot.
setsid sh -c 'while :; do "$@"; rc=$?; [ "$rc" = 133 ] || exit "$rc"; done' "$0" "$@" </dev/null &
"""


@dataclass(frozen=True)
class Group:
    """A named control group, the same in cgroup v2 and, where there is one, in systemd's v1 hierarchy."""

    name: str

    def start(self, *command: str | Path, log: Path, env: Mapping[str, str]) -> None:
        """Start a command in the group, detached from this terminal, with its output appended to a log."""
        for folder in self._folders():
            folder.mkdir(parents=True, exist_ok=True)
        arguments = [self.name, *self._folders(), "--", *command]
        with log.open("ab") as output:
            subprocess.run(["sh", "-c", START, *map(str, arguments)], stdout=output, stderr=output, env=env, check=True)

    def pids(self) -> list[int]:
        """List the processes in the group and its subgroups; empty where there is no such group."""
        return sorted(pid for found, _, _ in os.walk(self._folders()[0]) for pid in members(Path(found)))

    def init(self) -> int | None:
        """Return the pid of the guest's process 1 on this machine, or None if no guest runs.

        For a moment the scope contains children of it too. Their pids may be lower where pids have wrapped around.
        """
        return next(filter(is_first, members(self._folders()[0] / "payload" / "init.scope")), None)

    def stop(self, seconds: float = 5) -> None:
        """Terminate the group's processes, kill those that stay, and remove the group."""
        signal_all(self.pids(), signal.SIGTERM)
        until(lambda: not self.pids(), seconds)
        self.kill()

    def kill(self) -> None:
        """Kill all processes of the group, and remove the group."""
        deadline = time.monotonic() + 20
        while pids := self.pids():
            if time.monotonic() > deadline:
                raise LabError(f"Processes {pids} of {self.name} do not end, not even by SIGKILL.")
            signal_all(pids, signal.SIGKILL)
            time.sleep(0.02)
        # A process that has just ended keeps its group busy until its parent has taken notice.
        if not until(self._remove, 10):
            raise LabError(f"The control group {self.name} stays busy although no process is left in it.")

    def _remove(self) -> bool:
        """Remove what can be removed. Return whether nothing is left."""
        for folder in self._folders():
            for found, _, _ in os.walk(folder, topdown=False):
                with suppress(OSError):
                    os.rmdir(found)
        return not any(folder.exists() for folder in self._folders())

    def _folders(self) -> Sequence[Path]:
        return [mount / self.name for mount in hierarchies()]


def hierarchies() -> list[Path]:
    """Return where cgroup v2 and systemd's named v1 hierarchy are mounted, v2 first. LabError without v2."""
    unified, named = [], []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        where, _, kind = line.partition(" - ")
        if kind.startswith("cgroup2 "):
            unified.append(Path(where.split()[4]))
        elif kind.startswith("cgroup ") and "name=systemd" in kind:
            named.append(Path(where.split()[4]))
    if not unified:
        raise LabError("The lab needs control groups v2, and this machine has them mounted nowhere.")
    return unified[:1] + named[:1]


def members(folder: Path) -> list[int]:
    """List the processes in one group's directory, lowest first; empty where it has gone."""
    try:
        return sorted(int(pid) for pid in (folder / "cgroup.procs").read_text().split())
    except OSError:
        return []


def is_first(pid: int) -> bool:
    """Return whether a process has pid 1 in its own namespace."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return any(line.startswith("NSpid:") and line.split()[-1] == "1" for line in status.splitlines())


def signal_all(pids: Sequence[int], number: int) -> None:
    """Send a signal to each process that still exists."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
