"""Repair the owners and modes of the data of a host, and nothing else."""

from __future__ import annotations

from functools import partial

from pyinfra.api.host import Host

from lgtm.checklist import comparison
from lgtm.host import switching
from lgtm.load import plugins
from lgtm.load.commandline import options
from lgtm.model.errors import Exit
from lgtm.model.run import RUN
from lgtm.report import terminal
from lgtm.runs import start


def repair(host: Host) -> None:
    """Repair one host."""
    site, run = start.begin(host)
    view = comparison.viewed(host, site, run.removable)
    if comparison.absent(view, Exit.FAILED):
        return
    anew = partial(comparison.repairable, view)
    plan = anew(view.found)
    terminal.plan(plan, "owners and modes are as they should be")
    if plan.empty:
        return
    if options().dry:
        RUN.ends_with(Exit.PENDING)
        return
    switching.lock(who=start.who(run), plan=plan, anew=anew, planned_anew=terminal.planned_anew, name="Lock")
    plugins.operation("volumes", "repair")(plan=plan, name="Owners and modes")
    switching.commit(activated=False, keep=0, name="Done")
