"""Reads a host, compares it with its declaration, and makes the plan or the refusal."""

from __future__ import annotations

import time
from dataclasses import replace

from pyinfra.api.host import Host

from lgtm.checklist import preflight, service_checks
from lgtm.host import facts, operations
from lgtm.load import plugins
from lgtm.load.commandline import options
from lgtm.load.declaration import declaration_of
from lgtm.model import barriers, planning
from lgtm.model.errors import Exit, combined
from lgtm.model.hoststate import HostState
from lgtm.model.plan import Plan
from lgtm.model.run import RUN
from lgtm.model.site import Site
from lgtm.model.view import View
from lgtm.report import terminal


def read_view(host: Host, site: Site, removable: frozenset[str] = frozenset()) -> View:
    """Read a host and give its state with its declaration: one remote command."""
    declaration = declaration_of(site)
    state = facts.state(host, declaration.generation)
    return View(declaration, state, int(time.time()), removable)


def make_plan(view: View) -> Plan:
    """Make the plan of a host that was read, and put it into the record of the run."""
    oneway = barriers.crossed(view.state.versions, view.generation.versions, plugins.barriers())
    plan = planning.make(view.host, view.generation, view.state, RUN.nonce, operations.support_files(), oneway)
    record = RUN.record.host(view.host)
    record.set_generation(view.generation)
    record.current, record.now = view.state.current or "", view.state.now
    record.in_force, record.plan = plan.empty, plan.lines()
    return plan


def deploy_plan(view: View, accepted_oneway: frozenset[str], state: HostState) -> Plan:
    """Make the plan of a deploy to a host in this state. Raises Refusal when preflight or a barrier refuses it."""
    view = replace(view, state=state, now=int(time.time()))
    if problems := preflight.findings(view) + refused_steps(view, accepted_oneway):
        raise combined(problems)
    return make_plan(view)


def repair_plan(view: View, state: HostState) -> Plan:
    """Make the plan of a repair: owners and modes of data, and nothing else. Raises Refusal like `deploy_plan`."""
    view = replace(view, state=state)
    if problems := preflight.volumes(view):
        raise combined([f"{view.host}: {problem}" for problem in problems])
    return make_plan(view).only("user", "directory", "volume")


def refused_steps(view: View, accepted_oneway: frozenset[str]) -> list[str]:
    """Give a message for each change of version that is refused, or that needs `--data oneway`."""
    steps = barriers.findings(view.state.versions, view.generation.versions, plugins.barriers(), accepted_oneway)
    return [f"{view.host}: {step}" for step in steps]


def nothing_deployed(view: View, code: Exit) -> bool:
    """Whether nothing is deployed on a host: then one message is printed in place of the failing checks."""
    sentence = service_checks.not_deployed(view, options().inventory)
    if sentence:
        RUN.ends_with(code)
        RUN.record.host(view.host).now = view.state.now
        report_instead(view.host, sentence)
    return bool(sentence)


def report_instead(host: str, sentence: str) -> None:
    """Print one message about a host in place of a table of checks."""
    RUN.record.sentences.append(f"{host}: {sentence}")
    terminal.instead(host, sentence)
