"""deploy.py: reads a host, makes the plan, and enqueues the operations that the plan needs, if any."""

from __future__ import annotations

from functools import partial

from pyinfra.api.host import Host

from lgtm.checklist import comparison, gate, network_preflight, people, promote
from lgtm.checklist.gate import DeployGate
from lgtm.host import files, operations, switching
from lgtm.load import plugins
from lgtm.load.commandline import options
from lgtm.load.declaration import store
from lgtm.model import barriers
from lgtm.model.errors import Exit
from lgtm.model.plan import Plan
from lgtm.model.run import RUN, Switch
from lgtm.model.view import View
from lgtm.report import terminal
from lgtm.runs import start


def deploy(host: Host) -> None:
    """Deploy to one host: bring it to its declaration."""
    site, run = start.begin(host)
    start.unlock(host, run)
    view = comparison.read_view(host, site, run.removable)
    replan = partial(comparison.deploy_plan, view, run.accepted_oneway)
    plan = replan(view.state)
    terminal.plan(plan)
    if options().diff:
        _show_files(host, plan)
    if plan.empty:
        return
    deploy_gate = DeployGate(view.declaration, people.kinds(view, plan), people.adopted(view, host, plan))
    if options().dry:
        RUN.ends_with(Exit.PENDING)
        return
    forced = run.promote == "force"
    promote.require(site.root, options().inventory, site.here.settings, forced, run.confirm)
    network_preflight.require(host, view, plan)
    who = start.who(run)
    _fetch(view, plan)
    switching.lock(who=who, plan=plan, replan=replan, on_replanned=terminal.planned_anew, name="Lock")
    _enqueue(view, plan, deploy_gate)
    if plan.activates:
        _switch(view, plan, deploy_gate, f"{who} promote=force" if forced else who)
    switching.commit(activated=plan.activates, keep=site.here.settings.generations_kept, name="Commit")
    if notes := barriers.set_aside(view.state.versions, view.generation.versions, plugins.barriers()):
        plugins.operation("rollback", "set_aside")(notes=notes, name="Set aside")


def _fetch(view: View, plan: Plan) -> None:
    """Download and verify the artifacts that are sent from here, before the host is written to."""
    source = store(view.site.root, view.site.here.settings)
    for artifact in plan.artifacts:
        if source.push or not artifact.url:
            source.local_file(artifact)


def _enqueue(view: View, plan: Plan, deploy_gate: DeployGate) -> None:
    """Enqueue what is written beside the generation in force; none of it is used before the switch."""
    if deploy_gate.counted:
        gate.count(gate=deploy_gate, name="Count what people made")
    for service in plan.generation.services:
        if prepare := plugins.tasks()[service].prepare:
            prepare(view.site)
    if plan.of("user", "directory", "volume", "support", "link"):
        repair = plugins.operation("volumes", "repair")
        repair(plan=plan, support=operations.support_files(), name="Users, volumes, support files")
    if plan.of("artifact"):
        source = store(view.site.root, view.site.here.settings)
        operations.install(plan=plan, store=source, name="Artifacts")
    if plan.of("secret"):
        operations.write_secrets(plan=plan, name="Secrets")
    if plan.stages:
        operations.stage(plan=plan, name="Stage and validate")


def _switch(view: View, plan: Plan, deploy_gate: DeployGate, who: str) -> None:
    """Enqueue the switch and its gate."""
    activation = plan.activation(view.site.here.settings.activation_max)
    switch = Switch(plan.generation.id, activation, deploy_gate.patience, keep=plan.keep)
    switching.announce(switch)
    if plan.current and plan.of("switch"):
        gate.health_before(gate=deploy_gate, name="Health before")
    begins = partial(terminal.waiting, plan.host, plan.subjects("restart"))
    switching.activate(switch=switch, who=who, begins=begins, name="Activate")
    gate.verify(gate=deploy_gate, name="Verify")


def _show_files(host: Host, plan: Plan) -> None:
    changes = plan.of("file")
    present = files.texts(host, [change.subject for change in changes if change.action != "add"])
    terminal.differences(plan.generation, present, [change.subject for change in changes])
