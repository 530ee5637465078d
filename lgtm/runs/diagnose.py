"""Find the root cause of each known problem, once all hosts of the run have answered."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra.api.host import Host
from pyinfra.context import ctx_state

from lgtm.checklist import verify
from lgtm.host import asking
from lgtm.load import plugins
from lgtm.model import diagnosis
from lgtm.model.diagnosis import Finding, Problem
from lgtm.model.errors import Exit, Refusal
from lgtm.model.run import RUN
from lgtm.model.site import Site
from lgtm.report import terminal
from lgtm.runs import start

LINES = 6  # of a service's journal that are shown


def diagnose(host: Host) -> None:
    """Check one host; after the last one, print the root cause of each problem. A root cause fails the run."""
    site, run = start.begin(host)
    problems = _problems(run.problem)
    checked = verify.run_checks(host, site, run.patience, drills=run.mail)
    RUN.results[host.name] = checked[1] if checked else []  # none: nothing is deployed there
    hosts = list(ctx_state.get().inventory.get_active_hosts())
    if len(RUN.results) < len(hosts) or not any(RUN.results.values()):
        return
    every = [result for results in RUN.results.values() for result in results]
    deployed = [one for one in hosts if RUN.results[one.name]]
    for problem in problems:
        finding = diagnosis.diagnose(problem, every)
        evidence = _journals(site, deployed, finding) if finding.cause or run.problem else []
        terminal.finding(finding, evidence)
        if finding.cause and (run.problem or finding.cause.verdict == "failed"):
            RUN.ends_with(Exit.FAILED)


def _problems(id: str) -> list[Problem]:
    known = {problem.id: problem for problem in plugins.problems()}
    if id and id not in known:
        raise Refusal(f"problem={id} is not known; there are {', '.join(known)}")
    return [known[id]] if id else list(known.values())


def _journals(site: Site, hosts: Sequence[Host], finding: Finding) -> list[str]:
    """The journal of the failing service; without a cause, those of all services of the problem."""
    cause, lines = finding.cause, []
    for host in hosts:
        services = [cause.service] if cause else finding.problem.services
        carried = [one for one in services if host.name in {node.name for node in site.carrying(one)}]
        services_here = carried if cause is None or cause.host == host.name else []
        answers = asking.query(host, [asking.Question(f"why://{one}") for one in services_here])
        for service, answer in zip(services_here, answers, strict=True):
            lines += [f"{host.name}, {service}: {line}" for line in answer.body.splitlines()[:LINES]]
    return lines
