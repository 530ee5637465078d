"""Every check of a host, asked and judged."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra.api.host import Host
from pyinfra.context import ctx_state

from lgtm.checklist import comparison, service_checks
from lgtm.host import asking, facts
from lgtm.load.declaration import declared, marked
from lgtm.model.checks import Result
from lgtm.model.errors import Exit
from lgtm.model.run import RUN
from lgtm.model.running import running
from lgtm.model.site import Node, Site
from lgtm.model.view import View
from lgtm.report import terminal


def asked(host: Host, site: Site, patience: int, drills: bool) -> tuple[View, list[Result]] | None:
    """A host and the results of its checks; None where nothing is deployed.

    `patience` in seconds is how long a check may take to become healthy; `drills`: disruptive checks are asked, too.
    """
    view = comparison.viewed(host, site)
    RUN.runs[host.name] = running(view.wanted, view.found)
    if comparison.absent(view, Exit.FAILED):
        return None
    plan = comparison.planned(view)
    RUN.record.host(host.name).runs(RUN.runs[host.name])
    checks = [*view.declared.checks, *(view.declared.drills if drills else ())]
    answered = asking.await_all(host, checks, patience, lambda ids: terminal.waiting(host.name, ids))
    _read_peers(site, answered)
    results = [*service_checks.results(view, plan), *marked(site, answered, RUN.runs)]
    RUN.record.host(host.name).checked(results)
    return view, results


def unread_peers(site: Site, results: Sequence[Result]) -> list[str]:
    """The hosts whose services have answered, but which are no part of this run: what runs there is not known."""
    return [node.name for node in _peers(site, results) if node.name not in RUN.runs]


def _peers(site: Site, results: Sequence[Result]) -> list[Node]:
    """The other hosts whose services have answered."""
    answering = [site.answering(result.check.url) for result in results]
    return list({one[0].name: one[0] for one in answering if one and one[0] != site.here}.values())


def _read_peers(site: Site, results: Sequence[Result]) -> None:
    """Read what runs on the hosts whose services have answered, if they are part of this run."""
    active = {host.name: host for host in ctx_state.get().inventory.get_active_hosts()}
    for node in _peers(site, results):
        if node.name in active and node.name not in RUN.runs:
            wanted = declared(site.at(node)).generation
            RUN.runs[node.name] = running(wanted, facts.state(active[node.name], wanted))
