"""The runs: what `deploy.py` and `verify.py` do for each host, in the words of the layers below."""

from __future__ import annotations

import getpass
import socket
import time

from pyinfra.api.host import Host
from pyinfra.context import ctx_state

from lgtm import operations, outcome, preflight, remote, report, verification
from lgtm import plan as planning
from lgtm.artifacts import Store
from lgtm.commandline import flag
from lgtm.declaration import checks_of, generation_of, marked, store
from lgtm.errors import Exit, LgtmError, combined
from lgtm.generation import Generation
from lgtm.inventory import RunSettings, run_settings, site
from lgtm.plan import Plan
from lgtm.plugins import tasks
from lgtm.site import Site


def deploy(host: Host) -> None:
    """Bring one host to what is declared: look, plan, and enqueue what the plan needs, if anything."""
    here = site(ctx_state.get().inventory, host)
    plan = _look(here, host)
    report.plan(plan)
    if flag("diff"):
        _show_files(host, plan)
    if plan.empty:
        return
    if flag("dry"):
        outcome.record(Exit.PENDING)
        return
    _enqueue(here, plan, _who(run_settings(host)))


def verify(host: Host) -> None:
    """Ask every check of one host and show the answers; a failed one fails the run."""
    here = site(ctx_state.get().inventory, host)
    results = marked(here, verification.await_all(host, checks_of(here), run_settings(host).patience))
    report.checks(results)
    report.provenance([generation_of(here)])
    if any(result.verdict == "failed" for result in results):
        outcome.record(Exit.FAILED)


def _look(here: Site, host: Host) -> Plan:
    wanted = generation_of(here)
    found = operations.read(host, wanted)
    findings = preflight.findings(here, wanted, found, int(time.time()))
    if findings:
        raise combined(findings)
    return planning.make(here.here.name, wanted, found, operations.NONCE, operations.support_files())


def _enqueue(here: Site, plan: Plan, who: str) -> None:
    source = store(here.root, here.here.settings)
    _fetch(plan, source)
    operations.lock(plan=plan, who=who, name="Lock")
    for service in plan.generation.services:
        prepare = tasks()[service].prepare
        if prepare:
            prepare(here)
    if plan.users or plan.volumes or plan.support or plan.links:
        operations.prepare(plan=plan, name="Users, volumes, support files")
    if plan.artifacts:
        operations.install(plan=plan, store=source, name="Artifacts")
    if plan.secrets or plan.stale_secrets:
        operations.write_secrets(plan=plan, name="Secrets")
    if plan.stages:
        operations.stage(plan=plan, name="Stage and validate")
    if plan.activates:
        operations.activate(plan=plan, who=who, name="Activate")
        operations.call(function=lambda host: _gate(here, host), name="Verify")
    operations.commit(plan=plan, name="Commit")


def _fetch(plan: Plan, source: Store) -> None:
    """Have and verify what will be sent from here, before the host is touched."""
    for artifact in plan.artifacts:
        if source.push or not artifact.url:
            source.local_file(artifact)


def _gate(here: Site, host: Host) -> None:
    """Let the deploy pass only if the host's own checks and its peers' are well."""
    checks = [(name, check) for name, check in checks_of(here) if not check.slow]
    results = marked(here, verification.await_all(host, checks))
    failed = [result for result in results if result.verdict == "failed"]
    if failed:
        report.checks(results)
        sentences = "; ".join(f"{result.check.title}: {result.found}" for result in failed)
        remote.run(host, "revert", [f"verification failed: {failed[0].check.id}"])
        raise LgtmError(f"{host.name}: went back to the generation before: {sentences}")


def _show_files(host: Host, plan: Plan) -> None:
    generation: Generation = plan.generation
    present = operations.read_files(host, [path for path, why in plan.files if why != "create"])
    report.differences(generation, present, [path for path, _ in plan.files])


def _who(run: RunSettings) -> str:
    """`anna@laptop` and the message, as one word per part, since it ends up in a line of the lock."""
    return " ".join([f"{getpass.getuser()}@{socket.gethostname()}", *run.message.split()])
