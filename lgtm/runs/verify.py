"""Ask every check of a host, and keep the verdict there."""

from __future__ import annotations

import time

from pyinfra.api.host import Host

from lgtm.checklist import comparison, service_checks
from lgtm.checklist import verify as checklist
from lgtm.host import asking, facts, remote
from lgtm.load import release
from lgtm.model.declaration import Declaration
from lgtm.model.errors import Exit
from lgtm.model.run import RUN
from lgtm.report import terminal
from lgtm.runs import start

HOUR = 3600  # seconds that a plot looks back


def verify(host: Host) -> None:
    """Ask every check of one host and show the results; a failed one fails the run."""
    site, run = start.begin(host)
    asked = checklist.asked(host, site, run.patience, drills=run.mail)
    if asked is None:
        return
    view, results = asked
    healthy = not any(result.verdict == "failed" for result in results)
    if not healthy:
        RUN.ends_with(Exit.FAILED)
    _prove(host, [release.identity(site.root), view.wanted.id, "well" if healthy else "unwell"])
    if run.html:
        _look_back(host, view.declared)
    stopped = service_checks.stopped(view)
    if stopped:
        comparison.instead(host.name, stopped)
    terminal.checks([result for result in results if not stopped or result.service == "host"])
    terminal.provenance(RUN.runs[host.name].values(), checklist.unread_peers(site, results))


def _prove(host: Host, verdict: list[str]) -> None:
    """Keep the verdict on the host: since when this release has been healthy there."""
    kept = RUN.record.host(host.name)
    now, since = remote.run(host, "prove", verdict).split()
    kept.now, kept.well_since = int(now), None if since == "-" else int(since)


def _look_back(host: Host, declared: Declaration) -> None:
    """The plots of the last hour, and what was done on the host."""
    end = int(time.time())
    span = f"&start={end - HOUR}&end={end}&step=60"
    answers = asking.put(host, [asking.Question(plot.url + span) for plot in declared.plots])
    for plot, answer in zip(declared.plots, answers, strict=True):
        values = plot.values(answer)
        top = max((value for _, value in values), default=0.0)
        RUN.record.plots.append(
            {"title": plot.title, "unit": plot.unit, "host": host.name, "values": values, "top": top}
        )
    RUN.record.host(host.name).history = [dict(one) for one in facts.generations(host).log]
