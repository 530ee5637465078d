"""repair.py: repairs the owners and modes of the data of a host, and nothing else."""

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
    """Repair the owners and modes of the data of one host."""
    site, run = start.begin(host)
    view = comparison.read_view(host, site, run.removable)
    if comparison.nothing_deployed(view, Exit.FAILED):
        return
    replan = partial(comparison.repair_plan, view)
    plan = replan(view.state)
    terminal.plan(plan, "owners and modes are as they should be")
    if plan.empty:
        return
    if options().dry:
        RUN.ends_with(Exit.PENDING)
        return
    switching.lock(who=start.who(run), plan=plan, replan=replan, on_replanned=terminal.planned_anew, name="Lock")
    plugins.operation("volumes", "repair")(plan=plan, name="Owners and modes")
    switching.commit(activated=False, keep=0, name="Done")
