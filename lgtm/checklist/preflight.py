"""Preflight: what is checked before anything is written, judged by the state of a host. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lgtm.model.checks import Check, Gate, Result
from lgtm.model.generation import Generation
from lgtm.model.hoststate import HostState, process_name
from lgtm.model.planning import foreign
from lgtm.model.settings import gibibytes
from lgtm.model.view import View

SUPPORTED = ("debian 12", "debian 13", "ubuntu 24.04")  # tested: their systemd, curl and tar have what is needed


@dataclass(frozen=True)
class HostCheck:
    """A check that is judged by a host's state. `problems` gives messages; `detail` is shown if there is none."""

    id: str
    title: str
    problems: Callable[[View], Iterable[str]]
    remedy: str
    gate: Gate = "own"
    detail: Callable[[View], str] = lambda view: ""
    in_verify: bool = False  # verify.py has it, too

    def result(self, view: View) -> Result:
        problems = list(dict.fromkeys(self.problems(view)))
        check = Check(id=self.id, title=self.title, url="", judge=lambda answer: "", remedy=self.remedy, gate=self.gate)
        return Result(
            view.host, self.id.partition(".")[0], check, not problems, "\n".join(problems) or self.detail(view)
        )


def findings(view: View) -> list[str]:
    """Give every reason not to deploy to this host, a message each."""
    return [
        f"{view.host}: {problem}"
        for check in CHECKS
        if check.gate == "own"
        for problem in dict.fromkeys(check.problems(view))
    ]


def results(view: View) -> list[Result]:
    """Judge every preflight check of one host."""
    return [check.result(view) for check in CHECKS]


def volumes(view: View) -> list[str]:
    """Give the reasons why a host's volumes must not be written to, a message each."""
    return [problem for check in (VOLUMES, MOUNTS, DISK) for problem in dict.fromkeys(check.problems(view))]


def _tools(view: View) -> Iterable[str]:
    for tool in sorted(view.state.missing_tools):
        yield f"{tool} is missing; install it (hosts need systemd, curl, tar, coreutils, util-linux, iproute2)"


def _distribution(view: View) -> Iterable[str]:
    if view.state.os and not view.state.os.startswith(SUPPORTED):
        yield f"runs {view.state.os}, which is untested; {', '.join(SUPPORTED)} are tested"


def _architecture(view: View) -> Iterable[str]:
    for arch in sorted({artifact.arch for artifact in view.generation.artifacts.values()} - {view.state.arch}):
        yield f"is {view.state.arch}, but its artifacts are for {arch}; set arch in group_data"


def _clock(view: View) -> Iterable[str]:
    skew, limit = abs(view.state.now - view.now), view.site.here.settings.clock_skew_max
    if skew > limit:
        yield f"the clock differs by {skew} s from this machine's, clock_skew_max is {limit} s; set up NTP there"


def _planted(view: View) -> Iterable[str]:
    for path, kind in view.state.blocked_links.items():
        yield f"{path} is a {kind}, not a link; move it away"


def _switch(view: View) -> Iterable[str]:
    if view.state.pending:
        _, to, deadline, _, action, _, who = view.state.pending.split(maxsplit=6)
        left = max(0, int(deadline) - view.state.now)
        yield (
            f"a switch to {to} by {who} ({action}) is under way; it commits or reverts within {left} s; "
            "run again then, or with --data unlock=true if you know that its run has ended"
        )


def _volumes(view: View) -> Iterable[str]:
    for path, (_, _, kind) in sorted(view.state.volumes.items()):
        if kind != "directory":
            yield f"{path} is a {kind}, not a directory; move it away"


def _mounts(view: View) -> Iterable[str]:
    mounts = {volume.mount for one in view.generation.components for volume in one.volumes if volume.mount}
    for mount in sorted(mounts & view.state.unmounted):
        yield (
            f"{mount} should be a mount point (setting mounts), but nothing is mounted there; mount it, so that no "
            "data is written below it"
        )


def _disk(view: View) -> Iterable[str]:
    least = view.site.here.settings.disk_free_min
    for _, room in sorted(view.state.filesystems.items()):
        if room.read_only:
            yield f"the file system at {room.target} is read-only; see dmesg, then mount -o remount,rw {room.target}"
        elif room.free < least:
            yield (
                f"the file system at {room.target} is full: {room.free // 2**20} MiB free, disk_free_min is "
                f"{least // 2**20} MiB; free some space, or shorten a retention"
            )
        elif room.inodes == 0:
            yield f"the file system at {room.target} has no inode left; remove files there"


def estimates(view: View) -> dict[str, tuple[int, int, list[str]]]:
    """Give mount point → (bytes its volumes grow to by their retention, bytes available for them, their paths)."""
    totals: dict[str, tuple[int, int, list[str]]] = {}
    for component in view.generation.components:
        for volume in component.volumes:
            if volume.expects and (room := view.state.filesystems.get(volume.path)):
                used = view.state.used.get(volume.path, 0)
                needs, has, paths = totals.get(room.target, (0, room.free, []))
                totals[room.target] = (needs + volume.expects, has + used, [*paths, volume.path])
    return totals


def _retention(view: View) -> Iterable[str]:
    for target, (needs, has, paths) in estimates(view).items():
        if needs > has:
            yield (
                f"{', '.join(paths)} will grow to {gibibytes(needs)} by their retention, but {target} has "
                f"{gibibytes(has)} for them; enlarge it, or shorten a retention"
            )


def _fits(view: View) -> str:
    return ", ".join(f"{target}: {gibibytes(needs)} of {gibibytes(has)}" for target, (needs, has, _) in
                     estimates(view).items())  # fmt: skip


def _memory(view: View) -> Iterable[str]:
    if view.state.memory is None:
        return
    total, _ = view.state.memory
    limits = [one.unit.memory_max for one in view.generation.components if one.unit.memory_max]
    least = view.site.here.settings.memory_min * len(view.generation.components)
    if sum(limits) > total:
        yield f"the services may use {gibibytes(sum(limits))}, the host has {gibibytes(total)}; lower a …_memory_max"
    elif total < least:
        yield (
            f"the host has {gibibytes(total)} of memory, but {len(view.generation.components)} services need "
            f"{gibibytes(least)}; use a larger host, or fewer services on it"
        )


def foreign_listeners(generation: Generation, state: HostState) -> list[str]:
    """Give a message for each port of a service that another process holds."""
    ours = {f"pid={pid}," for pid in state.pids.values() if pid}
    held = {
        address.rsplit(":", 1)[1]: process
        for address, process in state.listeners
        if not any(pid in process for pid in ours)
    }
    return [
        f"{component.service}_{port.name}_port = {port.number} is taken by {process_name(held[str(port.number)])}; "
        f"end that process or give {component.service} another port"
        for component in generation.components
        for port in component.ports
        if port.protocol == "tcp" and str(port.number) in held and not _active(state, component.service)
    ]


def _active(state: HostState, service: str) -> bool:
    process = state.processes.get(service)
    return process is not None and process.active


def _ports(view: View) -> Iterable[str]:
    return foreign_listeners(view.generation, view.state)


def _leaving(view: View) -> Iterable[str]:
    """A service is removed only when the operator names it, never because a line of the inventory was deleted."""
    for service in sorted(foreign(view.generation, view.state) - set(view.removable)):
        yield (
            f"{service} is installed, but this host is not in its group; add it to the group, or remove the service "
            f"with --data remove={service} (its data stays)"
        )


VOLUMES = HostCheck(
    "host.volumes", "Data directories are directories", _volumes, "move away what is in their place", in_verify=True
)
MOUNTS = HostCheck(
    "host.mounts", "Mount points are mounted", _mounts, "mount it, see the setting mounts", in_verify=True
)
DISK = HostCheck(
    "host.disk", "The file systems have free space", _disk, "free some space, or remount it writable", in_verify=True
)
CHECKS = (
    HostCheck("host.tools", "The host has the tools that are needed", _tools, "apt-get install what is missing"),
    HostCheck("host.distribution", "The distribution is supported", _distribution, "use a tested one",
              "world", lambda view: view.state.os),
    HostCheck("host.architecture", "The artifacts are for this processor", _architecture, "set arch in group_data",
              detail=lambda view: view.state.arch),
    HostCheck("host.clock", "The clock is right", _clock, "set up NTP: systemctl status systemd-timesyncd",
              detail=lambda view: f"{abs(view.state.now - view.now)} s from this machine's", in_verify=True),
    HostCheck("host.links", "Nothing is in the place of our links", _planted, "move it away"),
    HostCheck("host.switch", "No switch is under way", _switch, "wait for it, or see docs/rollback.md",
              in_verify=True),
    VOLUMES,
    MOUNTS,
    DISK,
    HostCheck("host.ports", "The ports are free", _ports, "end the process that holds it, or set another port"),
    HostCheck("host.services", "Every installed service is declared", _leaving,
              "add the host to its group, or remove it with --data remove=<service>"),
    HostCheck("host.retention", "The disk is large enough for the retention", _retention,
              "use a larger disk or a shorter retention; the estimate is made of the settings …_expected",
              "world", _fits, in_verify=True),
    HostCheck("host.memory", "The memory is large enough", _memory, "use a larger host, or fewer services on it",
              "world", lambda view: gibibytes(view.state.memory[0]) if view.state.memory else "not known"),
)  # fmt: skip
