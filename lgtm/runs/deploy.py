"""Bring a host to what is declared: look, plan, and enqueue the operations that the plan needs, if any."""

from __future__ import annotations

from functools import partial

from pyinfra.api.host import Host

from lgtm.checklist import comparison, gate, network_preflight, people, promote
from lgtm.checklist.gate import Gate
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
    """Bring one host to what is declared."""
    site, run = start.begin(host)
    start.unlock(host, run)
    view = comparison.viewed(host, site, run.removable)
    anew = partial(comparison.deployable, view, run.accepted_oneway)
    plan = anew(view.found)
    terminal.plan(plan)
    if options().diff:
        _show_files(host, plan)
    if plan.empty:
        return
    asked = Gate(view.declared, people.kinds(view, plan), people.adopted(view, host, plan))
    if options().dry:
        RUN.ends_with(Exit.PENDING)
        return
    forced = run.promote == "force"
    promote.require(site.root, options().inventory, site.here.settings, forced, run.confirm)
    network_preflight.require(host, view, plan)
    who = start.who(run)
    _fetch(view, plan)
    switching.lock(who=who, plan=plan, anew=anew, planned_anew=terminal.planned_anew, name="Lock")
    _enqueue(view, plan, asked)
    if plan.activates:
        _switch(view, plan, asked, f"{who} promote=force" if forced else who)
    switching.commit(activated=plan.activates, keep=site.here.settings.generations_kept, name="Commit")
    if notes := barriers.set_aside(view.found.runs, view.wanted.versions, plugins.barriers()):
        plugins.operation("rollback", "set_aside")(notes=notes, name="Set aside")


def _fetch(view: View, plan: Plan) -> None:
    """Have and verify what will be sent from here, before the host is touched."""
    source = store(view.site.root, view.site.here.settings)
    for artifact in plan.artifacts:
        if source.push or not artifact.url:
            source.local_file(artifact)


def _enqueue(view: View, plan: Plan, asked: Gate) -> None:
    """Everything beside what is in force: nothing of it is used before the switch."""
    if asked.counted:
        gate.count(gate=asked, name="Count what people made")
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


def _switch(view: View, plan: Plan, asked: Gate, who: str) -> None:
    """The switch and its gate."""
    activation = plan.activation(view.site.here.settings.activation_max)
    switch = Switch(plan.generation.id, activation, asked.patience, keep=plan.keep)
    switching.announce(switch)
    if plan.current and plan.of("switch"):
        gate.health_before(gate=asked, name="Health before")
    begins = partial(terminal.waiting, plan.host, plan.subjects("restart"))
    switching.activate(switch=switch, who=who, begins=begins, name="Activate")
    gate.verify(gate=asked, name="Verify")


def _show_files(host: Host, plan: Plan) -> None:
    changes = plan.of("file")
    present = files.texts(host, [change.subject for change in changes if change.action != "add"])
    terminal.differences(plan.generation, present, [change.subject for change in changes])
