"""What can be known to be wrong before anything is written. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from lgtm.generation import Generation
from lgtm.hoststate import HostState
from lgtm.plan import foreign, foreign_listeners
from lgtm.site import Site


def findings(site: Site, wanted: Generation, found: HostState, now: int, removable: Collection[str] = ()) -> list[str]:
    """Every reason not to deploy to this host, as sentences. `now` is the controller's clock, in seconds.

    `removable` are the services that somebody has asked to be removed where they no longer belong.
    """
    problems = [
        *_host(site, wanted, found, now),
        *_switch(found),
        *volumes(site, wanted, found),
        *foreign_listeners(wanted, found),
        *_leaving(wanted, found, removable),
    ]
    return [f"{site.here.name}: {problem}" for problem in problems]


def volumes(site: Site, wanted: Generation, found: HostState) -> list[str]:
    """Why data must not be touched as it lies."""
    problems = [
        f"{path} is a {kind}, not a directory; move it away"
        for path, (_, _, kind) in sorted(found.volumes.items())
        if kind != "directory"
    ]
    mounts = {volume.mount for one in wanted.components for volume in one.volumes if volume.mount}
    problems += [
        f"{mount} should be a mount point (setting mounts), but nothing is mounted there; mount it, so that no data "
        "is written below it"
        for mount in sorted(mounts & found.unmounted)
    ]
    return problems + list(dict.fromkeys(_room(site, found)))


def _room(site: Site, found: HostState) -> Iterable[str]:
    least = site.here.settings.disk_free_min
    for _, room in sorted(found.rooms.items()):
        if room.read_only:
            yield f"the file system at {room.target} is read-only; see dmesg, then mount -o remount,rw {room.target}"
        elif room.free < least:
            yield (
                f"the file system at {room.target} is full: {room.free // 2**20} MiB free, disk_free_min is "
                f"{least // 2**20} MiB; make room, or shorten a retention"
            )
        elif room.inodes == 0:
            yield f"the file system at {room.target} has no inode left; remove files there"


def _host(site: Site, wanted: Generation, found: HostState, now: int) -> list[str]:
    problems = [
        f"{tool} is missing; install it (hosts need systemd, curl, tar, coreutils, util-linux, iproute2)"
        for tool in sorted(found.lacks)
    ]
    for arch in sorted({artifact.arch for artifact in wanted.artifacts.values()} - {found.arch}):
        problems.append(f"is {found.arch}, but its artifacts are for {arch}; set arch in group_data")
    skew, limit = abs(found.now - now), site.here.settings.clock_skew_max
    if skew > limit:
        problems.append(f"clock is {skew} s away from this machine's, clock_skew_max = {limit}; set up NTP there")
    return problems + [f"{path} is a {kind}, not a link; move it away" for path, kind in found.planted.items()]


def _switch(found: HostState) -> list[str]:
    if not found.pending:
        return []
    _, to, deadline, _, action, _, who = found.pending.split(maxsplit=6)
    left = max(0, int(deadline) - found.now)
    return [
        f"a switch to {to} by {who} ({action}) is under way; it commits or goes back within {left} s, run again then, "
        "or with --data unlock=true once you know that nobody is at it any more"
    ]


def _leaving(wanted: Generation, found: HostState, removable: Collection[str]) -> list[str]:
    """A service does not go because a line was deleted somewhere."""
    return [
        f"{service} is on this host, but in no group of it any more; put it back, or remove it with "
        f"--data remove={service} (its data stays)"
        for service in sorted(foreign(wanted, found) - set(removable))
    ]
