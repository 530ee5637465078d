"""Asks and judges every check of a host."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra.api.host import Host
from pyinfra.context import ctx_state

from lgtm.checklist import comparison, service_checks
from lgtm.host import asking, facts
from lgtm.load.declaration import declaration_of, mark_stand_ins
from lgtm.model.checks import Result
from lgtm.model.errors import Exit
from lgtm.model.run import RUN
from lgtm.model.running import running
from lgtm.model.site import Node, Site
from lgtm.model.view import View
from lgtm.report import terminal


def run_checks(host: Host, site: Site, patience: int, drills: bool) -> tuple[View, list[Result]] | None:
    """Read a host and run its checks; give both, or None when nothing is deployed there.

    `patience` is the maximum wait, in seconds, for a check to become healthy; `drills` adds the disruptive checks.
    """
    view = comparison.read_view(host, site)
    RUN.running[host.name] = running(view.generation, view.state)
    if comparison.nothing_deployed(view, Exit.FAILED):
        return None
    plan = comparison.make_plan(view)
    RUN.record.host(host.name).set_running(RUN.running[host.name])
    checks = [*view.declaration.checks, *(view.declaration.drills if drills else ())]
    results = asking.await_all(host, checks, patience, lambda ids: terminal.waiting(host.name, ids))
    _read_peers(site, results)
    results = [*service_checks.results(view, plan), *mark_stand_ins(site, results, RUN.running)]
    RUN.record.host(host.name).add_checks(results)
    return view, results


def unread_peers(site: Site, results: Sequence[Result]) -> list[str]:
    """Give the hosts whose services have answered, but which are not part of this run: what they run is not known."""
    return [node.name for node in _peers(site, results) if node.name not in RUN.running]


def _peers(site: Site, results: Sequence[Result]) -> list[Node]:
    """Other hosts whose services have answered."""
    answering = [site.answering(result.check.url) for result in results]
    return list({one[0].name: one[0] for one in answering if one and one[0] != site.here}.values())


def _read_peers(site: Site, results: Sequence[Result]) -> None:
    """Read what runs on the hosts whose services have answered, if they are part of this run."""
    active = {host.name: host for host in ctx_state.get().inventory.get_active_hosts()}
    for node in _peers(site, results):
        if node.name in active and node.name not in RUN.running:
            generation = declaration_of(site.at(node)).generation
            RUN.running[node.name] = running(generation, facts.state(active[node.name], generation))
