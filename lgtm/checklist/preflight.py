"""What can be known of a host before anything is written: each item of the checklist, as a judgement. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lgtm.model.checks import Check, Gate, Result
from lgtm.model.generation import Generation
from lgtm.model.hoststate import HostState, process_name
from lgtm.model.planning import foreign
from lgtm.model.settings import gibibytes
from lgtm.model.view import View

SUPPORTED = ("debian 12", "debian 13", "ubuntu 24.04")  # what systemd, curl and tar are known to suffice on


@dataclass(frozen=True)
class HostCheck:
    """An item of the checklist that is judged by what a host is found to be: its problems, each a sentence."""

    id: str
    title: str
    problems: Callable[[View], Iterable[str]]
    remedy: str
    gate: Gate = "own"
    well: Callable[[View], str] = lambda view: ""
    again: bool = False  # verify.py asks it, too

    def result(self, view: View) -> Result:
        problems = list(dict.fromkeys(self.problems(view)))
        check = Check(id=self.id, title=self.title, url="", judge=lambda answer: "", remedy=self.remedy, gate=self.gate)
        return Result(view.host, self.id.partition(".")[0], check, not problems, "\n".join(problems) or self.well(view))


def findings(view: View) -> list[str]:
    """Every reason not to deploy to this host, as sentences."""
    return [
        f"{view.host}: {problem}"
        for check in CHECKS
        if check.gate == "own"
        for problem in dict.fromkeys(check.problems(view))
    ]


def results(view: View) -> list[Result]:
    """The outcome of every item."""
    return [check.result(view) for check in CHECKS]


def volumes(view: View) -> list[str]:
    """Why data must not be touched as it lies."""
    return [problem for check in (VOLUMES, MOUNTS, DISK) for problem in dict.fromkeys(check.problems(view))]


def _tools(view: View) -> Iterable[str]:
    for tool in sorted(view.found.lacks):
        yield f"{tool} is missing; install it (hosts need systemd, curl, tar, coreutils, util-linux, iproute2)"


def _distribution(view: View) -> Iterable[str]:
    if view.found.os and not view.found.os.startswith(SUPPORTED):
        yield f"runs {view.found.os}, on which nobody has tried this; {', '.join(SUPPORTED)} are known to work"


def _architecture(view: View) -> Iterable[str]:
    for arch in sorted({artifact.arch for artifact in view.wanted.artifacts.values()} - {view.found.arch}):
        yield f"is {view.found.arch}, but its artifacts are for {arch}; set arch in group_data"


def _clock(view: View) -> Iterable[str]:
    skew, limit = abs(view.found.now - view.now), view.site.here.settings.clock_skew_max
    if skew > limit:
        yield f"clock is {skew} s away from this machine's, clock_skew_max = {limit}; set up NTP there"


def _planted(view: View) -> Iterable[str]:
    for path, kind in view.found.planted.items():
        yield f"{path} is a {kind}, not a link; move it away"


def _switch(view: View) -> Iterable[str]:
    if view.found.pending:
        _, to, deadline, _, action, _, who = view.found.pending.split(maxsplit=6)
        left = max(0, int(deadline) - view.found.now)
        yield (
            f"a switch to {to} by {who} ({action}) is under way; it commits or goes back within {left} s, run again "
            "then, or with --data unlock=true once you know that nobody is at it any more"
        )


def _volumes(view: View) -> Iterable[str]:
    for path, (_, _, kind) in sorted(view.found.volumes.items()):
        if kind != "directory":
            yield f"{path} is a {kind}, not a directory; move it away"


def _mounts(view: View) -> Iterable[str]:
    mounts = {volume.mount for one in view.wanted.components for volume in one.volumes if volume.mount}
    for mount in sorted(mounts & view.found.unmounted):
        yield (
            f"{mount} should be a mount point (setting mounts), but nothing is mounted there; mount it, so that no "
            "data is written below it"
        )


def _disk(view: View) -> Iterable[str]:
    least = view.site.here.settings.disk_free_min
    for _, room in sorted(view.found.rooms.items()):
        if room.read_only:
            yield f"the file system at {room.target} is read-only; see dmesg, then mount -o remount,rw {room.target}"
        elif room.free < least:
            yield (
                f"the file system at {room.target} is full: {room.free // 2**20} MiB free, disk_free_min is "
                f"{least // 2**20} MiB; make room, or shorten a retention"
            )
        elif room.inodes == 0:
            yield f"the file system at {room.target} has no inode left; remove files there"


def estimates(view: View) -> dict[str, tuple[int, int, list[str]]]:
    """Mount point → bytes that its volumes will have grown to by their retention, bytes there are for them, volumes."""
    found: dict[str, tuple[int, int, list[str]]] = {}
    for component in view.wanted.components:
        for volume in component.volumes:
            if volume.expects and (room := view.found.rooms.get(volume.path)):
                used = view.found.used.get(volume.path, 0)
                needs, has, paths = found.get(room.target, (0, room.free, []))
                found[room.target] = (needs + volume.expects, has + used, [*paths, volume.path])
    return found


def _retention(view: View) -> Iterable[str]:
    for target, (needs, has, paths) in estimates(view).items():
        if needs > has:
            yield (
                f"{', '.join(paths)} will take {gibibytes(needs)} by the retention asked for, {target} has "
                f"{gibibytes(has)} for it; give it more room, or shorten a retention"
            )


def _fits(view: View) -> str:
    return ", ".join(f"{target}: {gibibytes(needs)} of {gibibytes(has)}" for target, (needs, has, _) in
                     estimates(view).items())  # fmt: skip


def _memory(view: View) -> Iterable[str]:
    if view.found.memory is None:
        return
    total, _ = view.found.memory
    limits = [one.unit.memory_max for one in view.wanted.components if one.unit.memory_max]
    least = view.site.here.settings.memory_min * len(view.wanted.components)
    if sum(limits) > total:
        yield f"the services may take {gibibytes(sum(limits))}, the host has {gibibytes(total)}; lower a …_memory_max"
    elif total < least:
        yield (
            f"the host has {gibibytes(total)} of memory for {len(view.wanted.components)} services; "
            f"{gibibytes(least)} is what they should have"
        )


def foreign_listeners(wanted: Generation, found: HostState) -> list[str]:
    """Ports that a service needs and a process that is not ours holds, each as a sentence."""
    ours = {f"pid={pid}," for pid in found.pids.values() if pid}
    held = {
        address.rsplit(":", 1)[1]: process
        for address, process in found.listeners
        if not any(pid in process for pid in ours)
    }
    return [
        f"{component.service}_{port.name}_port = {port.number} is taken by {process_name(held[str(port.number)])}; "
        f"end that process or give {component.service} another port"
        for component in wanted.components
        for port in component.ports
        if port.protocol == "tcp" and str(port.number) in held and not _active(found, component.service)
    ]


def _active(found: HostState, service: str) -> bool:
    process = found.processes.get(service)
    return process is not None and process.active


def _ports(view: View) -> Iterable[str]:
    return foreign_listeners(view.wanted, view.found)


def _leaving(view: View) -> Iterable[str]:
    """A service does not go because a line was deleted somewhere."""
    for service in sorted(foreign(view.wanted, view.found) - set(view.removable)):
        yield (
            f"{service} is on this host, but in no group of it any more; put it back, or remove it with "
            f"--data remove={service} (its data stays)"
        )


VOLUMES = HostCheck(
    "host.volumes", "Data directories are directories", _volumes, "move away what lies in their place", again=True
)
MOUNTS = HostCheck(
    "host.mounts", "What should be mounted is mounted", _mounts, "mount it, see the setting mounts", again=True
)
DISK = HostCheck("host.disk", "There is room to write", _disk, "make room, or remount it writable", again=True)
CHECKS = (
    HostCheck("host.tools", "The host has the tools that are needed", _tools, "apt-get install what is missing"),
    HostCheck("host.distribution", "The distribution is supported", _distribution, "use one that is known to work",
              "world", lambda view: view.found.os),
    HostCheck("host.architecture", "The artifacts are for this processor", _architecture, "set arch in group_data",
              well=lambda view: view.found.arch),
    HostCheck("host.clock", "The clock is right", _clock, "set up NTP: systemctl status systemd-timesyncd",
              well=lambda view: f"{abs(view.found.now - view.now)} s away", again=True),
    HostCheck("host.links", "Nothing lies where our links belong", _planted, "move it away"),
    HostCheck("host.switch", "No switch is under way", _switch, "wait for it, or see docs/rollback.md",
              again=True),
    VOLUMES,
    MOUNTS,
    DISK,
    HostCheck("host.ports", "The ports are free", _ports, "end the process that holds it, or give us another port"),
    HostCheck("host.services", "Every service that is here belongs here", _leaving, "see --data remove"),
    HostCheck("host.retention", "The disk suffices for the retention", _retention,
              "a larger disk, or a shorter retention; …_expected are what the estimate is made of",
              "world", _fits, again=True),
    HostCheck("host.memory", "The memory suffices", _memory, "a larger host, or fewer services on it", "world",
              lambda view: gibibytes(view.found.memory[0]) if view.found.memory else "not known"),
)  # fmt: skip
