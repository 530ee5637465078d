"""The runs: what `deploy.py`, `repair.py` and their like do for each host, in the words of the layers below."""

from __future__ import annotations

import getpass
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
from pyinfra.api.host import Host
from pyinfra.context import ctx_state

from lgtm.artifacts.store import Store
from lgtm.checklist import inspection, people, promote
from lgtm.checklist import preflight as host_preflight
from lgtm.checklist.preflight import View
from lgtm.host import asking, operations, remote, switching
from lgtm.host.switching import Switch
from lgtm.load import plugins, release
from lgtm.load.commandline import flag
from lgtm.load.declaration import checks_of, marked, store
from lgtm.load.inventory import RunSettings, run_settings, site
from lgtm.model import barriers
from lgtm.model.checks import Check
from lgtm.model.errors import Exit, LgtmError, combined
from lgtm.model.generation import Generation
from lgtm.model.hoststate import HostState
from lgtm.model.made import SETTLES
from lgtm.model.plan import Plan
from lgtm.model.settings import seconds
from lgtm.model.site import Site
from lgtm.report import outcome, record, terminal


def deploy(host: Host) -> None:
    """Bring one host to what is declared: look, plan, and enqueue what the plan needs, if anything."""
    here, run = begin(host)
    unlock(host, run)
    view = inspection.viewed(here, run, host)
    anew = partial(_deploys, view, run.accepted_oneway)
    plan = anew(view.found)
    terminal.plan(plan)
    if flag("diff"):
        _show_files(host, plan)
    if plan.empty:
        return
    moved_in = people.adopted(view, host, plan)
    if flag("dry"):
        outcome.record(Exit.PENDING)
        return
    forced = run.promote == "force"
    promote.require(here.root, str(flag("inventory")), here.here.settings, forced, run.confirm)
    inspection.network_preflight(view, host, plan)
    _enqueue(view, plan, f"{who(run)} promote=force" if forced else who(run), anew, moved_in)


def _deploys(view: View, accepted_oneway: frozenset[str], found: HostState) -> Plan:
    """What a deploy does to a host that is found like this. Raises Refusal where it must not be done."""
    view = replace(view, found=found, now=int(time.time()))
    if problems := host_preflight.findings(view) + inspection.refused_steps(view, accepted_oneway):
        raise combined(problems)
    return inspection.planned(view)


def _repairs(view: View, found: HostState) -> Plan:
    """Likewise, what a repair does: owners and modes of data, and nothing else."""
    view = replace(view, found=found)
    if problems := host_preflight.volumes(view):
        raise combined([f"{view.site.here.name}: {problem}" for problem in problems])
    whole = inspection.planned(view)
    return Plan(
        whole.host, view.wanted, found.fingerprint, users=whole.users, closed=whole.closed, volumes=whole.volumes
    )


def begin(host: Host) -> tuple[Site, RunSettings]:
    """What every run that knows the site begins with; it leaves a record of itself where somebody asks for one."""
    run, here = run_settings(host), site(ctx_state.get().inventory, host)
    settings = here.here.settings
    record.RUN.script, record.RUN.inventory = Path(str(flag("operations")[0])).name, str(flag("inventory"))
    record.RUN.environment, record.RUN.release = here.environment, release.identity(here.root)
    record.RUN.settings = {"batch": settings.rollout_batch, "undo": settings.rollout_undo,
                           "soak": seconds(settings.promote_soak), "from": settings.promote_from}  # fmt: skip
    for one in ctx_state.get().inventory.get_active_hosts():
        record.RUN.host(one.name)  # all of them, and in the inventory's order
    record.leave(run.json_, run.html)
    return here, run


def verify(host: Host) -> None:
    """Ask every check of one host."""
    inspection.verify(*begin(host), host)


def preflight(host: Host) -> None:
    """Ask what can be known of one host before a deploy."""
    inspection.preflight(*begin(host), host)


def drift(host: Host) -> None:
    """Say whether one host is as declared."""
    inspection.drift(*begin(host), host)


def diagnose(host: Host) -> None:
    """Look for the cause of each known problem, on all hosts of this run."""
    inspection.diagnose(*begin(host), host, list(ctx_state.get().inventory.get_active_hosts()))


def repair(host: Host) -> None:
    """Mend owners and modes of one host's data, and nothing else."""
    here, run = begin(host)
    view = inspection.viewed(here, run, host)
    if inspection.absent(view, host, Exit.FAILED):
        return
    anew = partial(_repairs, view)
    plan = anew(view.found)
    terminal.plan(plan, "owners and modes are as they should be")
    if plan.empty:
        return
    if flag("dry"):
        outcome.record(Exit.PENDING)
        return
    switching.lock(plan=plan, who=who(run), anew=anew, told=terminal.planned_anew, name="Lock")
    operations.prepare(plan=plan, name="Owners and modes")
    switching.commit(activated=False, keep=0, name="Done")


def _enqueue(
    view: View, plan: Plan, who: str, anew: Callable[[HostState], Plan], moved_in: list[tuple[str, Check]]
) -> None:
    here = view.site
    source, settings = store(here.root, here.here.settings), here.here.settings
    _fetch(plan, source)
    switching.lock(plan=plan, who=who, anew=anew, told=terminal.planned_anew, name="Lock")
    kept = list(moved_in)
    if counted := people.kinds(view, plan):
        operations.call(function=lambda host: kept.extend(people.count(host, counted)), name="Count what people made")
    for service in plan.generation.services:
        prepare = plugins.tasks()[service].prepare
        if prepare:
            prepare(here)
    if plan.users or plan.closed or plan.volumes or plan.support or plan.links:
        operations.prepare(plan=plan, name="Users, volumes, support files")
    if plan.artifacts:
        operations.install(plan=plan, store=source, name="Artifacts")
    if plan.secrets or plan.stale_secrets:
        operations.write_secrets(plan=plan, name="Secrets")
    if plan.stages:
        operations.stage(plan=plan, name="Stage and validate")
    if plan.activates:
        _switch(view, plan, who, kept, SETTLES if counted or moved_in else 0)
    switching.commit(activated=plan.activates, keep=settings.generations_kept, name="Commit")
    if aside := barriers.set_aside(view.found.runs, view.wanted.versions, plugins.barriers()):
        operations.call(function=lambda host: terminal.notes(host.name, aside), name="Set aside")


def _switch(view: View, plan: Plan, who: str, kept: list[tuple[str, Check]], least: int) -> None:
    """Enqueue the switch and its gate. `kept` is filled by the time that is asked; it takes `least` seconds or more."""
    here, settings = view.site, view.site.here.settings
    gate = [(service, check) for service, check in checks_of(here) if not check.slow]
    patience = max((check.patience for _, check in gate if check.gate != "world"), default=0)
    switch = Switch(plan.generation.id, plan.activation(settings.activation_max), max(patience, least), keep=plan.keep)
    switching.announce(switch)
    before: set[str] = set()
    if plan.switch and plan.switch[0]:
        operations.call(function=lambda host: before.update(_failing(host, gate)), name="Health before")
    switching.activate(switch=switch, who=who, name="Activate")
    operations.call(function=lambda host: _gate(here, host, [*gate, *kept], before), name="Verify")


def _fetch(plan: Plan, source: Store) -> None:
    """Have and verify what will be sent from here, before the host is touched."""
    for artifact in plan.artifacts:
        if source.push or not artifact.url:
            source.local_file(artifact)


def _failing(host: Host, gate: list[tuple[str, Check]]) -> set[str]:
    """The checks that fail already, before anything is switched."""
    return {result.check.id for result in asking.ask(host, gate) if not result.ok}


def _gate(here: Site, host: Host, gate: list[tuple[str, Check]], before: set[str]) -> None:
    """Let the deploy pass only if the host's own checks and its peers' are well, but for what was ill before it."""
    well = [(service, check) for service, check in gate if check.id not in before]
    ill = [(service, check) for service, check in gate if check.id in before]  # nobody waits for these
    again = [replace(result, before=True) for result in asking.ask(host, ill)]
    results = marked(here, [*asking.await_all(host, well), *again])
    failed = [result for result in results if result.verdict == "failed"]
    if failed or any(result.before and not result.ok for result in results):
        terminal.checks(results)
    if failed:
        sentences = "; ".join(f"{result.check.title}: {result.found}" for result in failed)
        remote.run(host, "revert", [f"verification failed: {failed[0].check.id}"])
        raise LgtmError(f"{host.name}: went back to the generation before: {sentences}")


def _show_files(host: Host, plan: Plan) -> None:
    generation: Generation = plan.generation
    present = operations.read_files(host, [path for path, why in plan.files if why != "create"])
    terminal.differences(generation, present, [path for path, _ in plan.files])


def unlock(host: Host, run: RunSettings) -> None:
    """Break a lock that nobody holds any more, if that is asked for."""
    if run.unlock and not flag("dry") and (said := remote.run(host, "break", [who(run)])):
        click.echo(f"[{host.name}] {said}", err=True)


def who(run: RunSettings) -> str:
    """`anna@laptop` and the message, as one word per part, since it ends up in a line of the lock."""
    return " ".join([f"{getpass.getuser()}@{socket.gethostname()}", *run.message.split()])
