"""One host beside what it is declared to be: read, planned for, and refused where a step must not be taken."""

from __future__ import annotations

import time
from dataclasses import replace

from pyinfra.api.host import Host

from lgtm.checklist import preflight, service_checks
from lgtm.host import facts, operations
from lgtm.load import plugins
from lgtm.load.commandline import options
from lgtm.load.declaration import declared
from lgtm.model import barriers, planning
from lgtm.model.errors import Exit, combined
from lgtm.model.hoststate import HostState
from lgtm.model.plan import Plan
from lgtm.model.run import RUN
from lgtm.model.site import Site
from lgtm.model.view import View
from lgtm.report import terminal


def viewed(host: Host, site: Site, removable: frozenset[str] = frozenset()) -> View:
    """Read a host, and put it beside its declaration: one remote command."""
    declaration = declared(site)
    found = facts.state(host, declaration.generation)
    return View(declaration, found, int(time.time()), removable)


def planned(view: View) -> Plan:
    """What is to be done to a host that was read; it goes into the record of the run."""
    oneway = barriers.crossed(view.found.runs, view.wanted.versions, plugins.barriers())
    plan = planning.make(view.host, view.wanted, view.found, RUN.nonce, operations.support_files(), oneway)
    kept = RUN.record.host(view.host)
    kept.declared(view.wanted)
    kept.current, kept.now = view.found.current or "", view.found.now
    kept.in_force, kept.plan = plan.empty, plan.lines()
    return plan


def deployable(view: View, accepted_oneway: frozenset[str], found: HostState) -> Plan:
    """The plan of a deploy to a host that is found like this. Raises Refusal where it must not be deployed."""
    view = replace(view, found=found, now=int(time.time()))
    if problems := preflight.findings(view) + refused_steps(view, accepted_oneway):
        raise combined(problems)
    return planned(view)


def repairable(view: View, found: HostState) -> Plan:
    """Likewise of a repair: owners and modes of data, and nothing else."""
    view = replace(view, found=found)
    if problems := preflight.volumes(view):
        raise combined([f"{view.host}: {problem}" for problem in problems])
    return planned(view).only("user", "directory", "volume")


def refused_steps(view: View, accepted_oneway: frozenset[str]) -> list[str]:
    """The steps between versions that nobody may take, or not without accepting them; a sentence each."""
    steps = barriers.findings(view.found.runs, view.wanted.versions, plugins.barriers(), accepted_oneway)
    return [f"{view.host}: {step}" for step in steps]


def absent(view: View, code: Exit) -> bool:
    """Whether nothing is deployed on a host: one sentence instead of every check that fails because of it."""
    sentence = service_checks.absent(view, options().inventory)
    if sentence:
        RUN.ends_with(code)
        RUN.record.host(view.host).now = view.found.now
        instead(view.host, sentence)
    return bool(sentence)


def instead(host: str, sentence: str) -> None:
    """Say one sentence of a host instead of a table of checks."""
    RUN.record.sentences.append(f"{host}: {sentence}")
    terminal.instead(host, sentence)
