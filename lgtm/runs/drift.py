"""Say whether a host is as declared, and since when it is not; node_exporter is told, too."""

from __future__ import annotations

from pyinfra.api.host import Host

from lgtm.checklist import comparison
from lgtm.host import remote
from lgtm.model.errors import Exit
from lgtm.model.run import RUN
from lgtm.report import terminal
from lgtm.runs import start


def drift(host: Host) -> None:
    """Compare one host with its declaration; a difference ends the run with exit code 2."""
    site, run = start.begin(host)
    view = comparison.viewed(host, site, run.removable)
    if comparison.absent(view, Exit.PENDING):
        return
    plan = comparison.planned(view)
    since = int(remote.run(host, "drift", ["0" if plan.empty else "1"]))
    terminal.plan(plan)
    if not plan.empty:
        terminal.since(host.name, since, view.found.now)
        RUN.ends_with(Exit.PENDING)
