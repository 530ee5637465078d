"""The checklist as runs: what is asked of a host before a deploy, after it, and every now and then."""

from __future__ import annotations

import time
from collections.abc import Sequence

from pyinfra.api.host import Host

from lgtm.checklist import preflight as host_preflight
from lgtm.checklist import service_checks
from lgtm.checklist.preflight import View
from lgtm.host import asking, operations, remote
from lgtm.load import plugins, release
from lgtm.load.commandline import flag
from lgtm.load.declaration import checks_of, drills_of, generation_of, marked, plots_of, store
from lgtm.load.inventory import RunSettings
from lgtm.model import barriers, diagnosis
from lgtm.model import history as past
from lgtm.model import plan as planning
from lgtm.model.checks import Answer, Bad, Check, Result
from lgtm.model.diagnosis import Finding
from lgtm.model.errors import Exit, Refusal, combined
from lgtm.model.plan import Plan
from lgtm.model.running import Running, running
from lgtm.model.site import Site
from lgtm.report import outcome, record, terminal

HOUR = 3600  # seconds that a plot looks back

_results: dict[str, list[Result] | None] = {}  # of each host, until all have answered; None: nothing is deployed there
_seen: dict[str, dict[str, Running]] = {}  # host → service → what runs there, of the hosts that were read


def viewed(here: Site, run: RunSettings, host: Host) -> View:
    """Read one host: what it has, beside what is wanted of it."""
    wanted = generation_of(here)
    found = operations.read(host, wanted)
    return View(here, wanted, found, int(time.time()), run.removable)


def refused_steps(view: View, accepted_oneway: frozenset[str]) -> list[str]:
    """The steps between versions that nobody may take, or not without saying so; sentences for the operator."""
    steps = barriers.findings(view.found.runs, view.wanted.versions, plugins.barriers(), accepted_oneway)
    return [f"{view.site.here.name}: {step}" for step in steps]


def planned(view: View) -> Plan:
    """What would be done to a host that was read; it goes into the run's record."""
    oneway = barriers.crossed(view.found.runs, view.wanted.versions, plugins.barriers())
    plan = planning.make(
        view.site.here.name, view.wanted, view.found, operations.NONCE, operations.support_files(), oneway
    )
    kept = record.RUN.host(view.site.here.name)
    kept.declared(view.wanted)
    kept.current, kept.now = view.found.current or "", view.found.now
    kept.in_force, kept.plan = plan.empty, plan.lines()
    return plan


def verify(here: Site, run: RunSettings, host: Host) -> None:
    """Ask every check of one host and show the answers; a failed one fails the run."""
    asked = _verified(here, run, host)
    if asked is None:
        return
    view, results = asked
    well = not any(result.verdict == "failed" for result in results)
    if not well:
        outcome.record(Exit.FAILED)
    kept = record.RUN.host(host.name)
    said = remote.run(host, "prove", [release.identity(here.root), view.wanted.id, "well" if well else "unwell"])
    now, since = said.split()
    kept.now, kept.well_since = int(now), None if since == "-" else int(since)
    if run.html:
        _look_back(here, host)
    stopped = service_checks.stopped(view)
    if stopped:
        _say_instead(host, stopped)
    terminal.checks([result for result in results if not stopped or result.service == "host"])
    terminal.provenance(
        _seen[host.name].values(), [node.name for node in asking.peers(here, results) if node.name not in _seen]
    )


def absent(view: View, host: Host, code: Exit) -> bool:
    """Whether nothing is deployed on a host: one sentence instead of every check that fails because of it."""
    sentence = service_checks.absent(view, str(flag("inventory")))
    if sentence:
        outcome.record(code)
        record.RUN.host(host.name).now = view.found.now
        _say_instead(host, sentence)
    return bool(sentence)


def _say_instead(host: Host, sentence: str) -> None:
    record.RUN.sentences.append(f"{host.name}: {sentence}")
    terminal.instead(host.name, sentence)


def _verified(here: Site, run: RunSettings, host: Host) -> tuple[View, list[Result]] | None:
    """A host and the results of its checks; None where nothing is deployed."""
    view = viewed(here, run, host)
    _seen[host.name] = running(view.wanted, view.found)
    if absent(view, host, Exit.FAILED):
        return None
    plan = planned(view)
    record.RUN.host(host.name).runs(_seen[host.name])
    checks = checks_of(here) + (drills_of(here) if run.mail else [])
    asked = asking.await_all(host, checks, run.patience, lambda ids: terminal.waiting(host.name, ids))
    asking.read_peers(here, asked, _seen)
    results = [*service_checks.results(view, plan), *marked(here, asked, _seen)]
    record.RUN.host(host.name).checked(results)
    return view, results


def diagnose(here: Site, run: RunSettings, host: Host, others: Sequence[Host]) -> None:
    """Look for the cause of each known problem, once all hosts have answered; a cause that is found fails the run."""
    known = {problem.id: problem for problem in plugins.problems()}
    if run.problem and run.problem not in known:
        raise Refusal(f"problem={run.problem} is not known; there are {', '.join(known)}")
    asked = _verified(here, run, host)
    _results[host.name] = asked[1] if asked else None
    if len(_results) < len(others) or not any(_results.values()):
        return
    every = [result for results in _results.values() if results for result in results]
    for problem in [known[run.problem]] if run.problem else known.values():
        finding = diagnosis.diagnose(problem, every)
        journals = (
            _journals(here, [host for host in others if _results[host.name]], finding)
            if finding.cause or run.problem
            else []
        )
        terminal.finding(finding, journals)
        if finding.cause and (run.problem or finding.cause.verdict == "failed"):
            outcome.record(Exit.FAILED)


def _journals(here: Site, hosts: Sequence[Host], finding: Finding) -> list[str]:
    """What the service that is to blame says of its failure, or all that might be: the evidence, the cause first."""
    cause, found = finding.cause, []
    for host in hosts:
        services = [cause.service] if cause else finding.problem.services
        carried = [one for one in services if host.name in {node.name for node in here.carrying(one)}]
        asked = carried if cause is None or cause.host == host.name else []
        answers = asking.put(host, [asking.Question(f"why://{one}") for one in asked])
        for service, answer in zip(asked, answers, strict=True):
            found += [f"{host.name}, {service}: {line}" for line in answer.body.splitlines()[:6]]
    return found


def preflight(here: Site, run: RunSettings, host: Host) -> None:
    """Ask what can be known before a deploy, and show it; whatever would refuse the deploy refuses here."""
    view = viewed(here, run, host)
    plan = planned(view)
    results = [*host_preflight.results(view), *_asked(here, host, plan)]
    record.RUN.host(host.name).checked(results)
    terminal.checks(results)
    if steps := refused_steps(view, run.accepted_oneway):
        raise combined(steps)
    if any(result.verdict == "failed" for result in results):
        outcome.record(Exit.REFUSED)


def network_preflight(view: View, host: Host, plan: Plan) -> None:
    """Before a deploy that has something to do: what only warns, and what the network says.

    Raises Refusal when the deploy could not succeed; what the host's own state refuses has been refused by now.
    """
    results = [one for one in (*host_preflight.results(view), *_asked(view.site, host, plan)) if not one.ok]
    record.RUN.host(host.name).checked(results)
    if results:
        terminal.checks(results)
    if failed := [result for result in results if result.verdict == "failed"]:
        raise combined([f"{host.name}: {one.check.title}: {one.found}; {one.check.remedy}" for one in failed])


def drift(here: Site, run: RunSettings, host: Host) -> None:
    """Say whether one host is as declared, and since when it is not; node_exporter is told, too."""
    view = viewed(here, run, host)
    if absent(view, host, Exit.PENDING):
        return
    plan = planned(view)
    since = int(remote.run(host, "drift", ["0" if plan.empty else "1"]))
    terminal.plan(plan)
    if not plan.empty:
        terminal.since(host.name, since, view.found.now)
        outcome.record(Exit.PENDING)


def _asked(here: Site, host: Host, plan: Plan) -> list[Result]:
    """The checks that can be asked before anything of ours runs, with the secrets that will be sent."""
    checks = [(service, check) for service, check in checks_of(here) if check.preflight]
    return asking.ask(host, [*checks, *_downloads(here, plan)], plan.generation.secrets)


def _downloads(here: Site, plan: Plan) -> list[tuple[str, Check]]:
    """Whether the host reaches what it will download itself."""
    if store(here.root, here.here.settings).push:
        return []
    remedy = "see the host's way out and its DNS, or set artifact_push or artifact_mirror"
    return [
        (artifact.name, Check(f"{artifact.name}.download", f"{artifact.name} {artifact.version} can be downloaded",
                              f"head+{artifact.url}", _there, remedy, preflight=True))
        for artifact in plan.artifacts
        if artifact.url
    ]  # fmt: skip


def _there(answer: Answer) -> str:
    if answer.status != 200:
        raise Bad(f"HTTP {answer.status}" if answer.status else answer.body.strip())
    return "200"


def _look_back(here: Site, host: Host) -> None:
    """The plots of the last hour, and what was done on the host."""
    plots = plots_of(here)
    end = int(time.time())
    span = f"&start={end - HOUR}&end={end}&step=60"
    answers = asking.put(host, [asking.Question(plot.url + span) for plot in plots])
    for plot, answer in zip(plots, answers, strict=True):
        values = plot.values(answer)
        top = max((value for _, value in values), default=0.0)
        record.RUN.plots.append(
            {"title": plot.title, "unit": plot.unit, "host": host.name, "values": values, "top": top}
        )
    record.RUN.host(host.name).history = [dict(one) for one in past.parse(remote.run(host, "history")).log]
