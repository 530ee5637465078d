"""What can be known to be wrong before anything is written. Pure."""

from __future__ import annotations

from lgtm.generation import Generation
from lgtm.hoststate import HostState
from lgtm.plan import foreign_listeners
from lgtm.site import Site


def findings(site: Site, wanted: Generation, found: HostState, now: int) -> list[str]:
    """Every reason not to deploy to this host, as sentences. `now` is the controller's clock, in seconds."""
    host = site.here.name
    return [f"{host}: {finding}" for finding in _findings(site, wanted, found, now)]


def _findings(site: Site, wanted: Generation, found: HostState, now: int) -> list[str]:
    problems = [
        f"{tool} is missing; install it (hosts need systemd, curl, tar, coreutils, iproute2)"
        for tool in sorted(found.lacks)
    ]
    for arch in sorted({artifact.arch for artifact in wanted.artifacts.values()} - {found.arch}):
        problems.append(f"is {found.arch}, but its artifacts are for {arch}; set arch in group_data")
    skew, limit = abs(found.now - now), site.here.settings.clock_skew_max
    if skew > limit:
        problems.append(f"clock is {skew} s away from this machine's, clock_skew_max = {limit}; set up NTP there")
    if found.pending:
        _, to, deadline, _, who = found.pending.split(maxsplit=4)
        left = max(0, int(deadline) - found.now)
        problems.append(
            f"a switch to {to} by {who} is under way; it commits or goes back within {left} s, run again then"
        )
    for path, (_, _, kind) in sorted(found.volumes.items()):
        if kind != "directory":
            problems.append(f"{path} is a {kind}, not a directory; move it away")
    return problems + foreign_listeners(wanted, found)
