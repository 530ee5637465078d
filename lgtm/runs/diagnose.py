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

LINES = 6  # of what a service says of its failure


def diagnose(host: Host) -> None:
    """Ask one host; with the last one, say the cause of each problem. A cause that is found fails the run."""
    site, run = start.begin(host)
    problems = _problems(run.problem)
    asked = verify.asked(host, site, run.patience, drills=run.mail)
    RUN.results[host.name] = asked[1] if asked else []  # none: nothing is deployed there
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


def _problems(wanted: str) -> list[Problem]:
    known = {problem.id: problem for problem in plugins.problems()}
    if wanted and wanted not in known:
        raise Refusal(f"problem={wanted} is not known; there are {', '.join(known)}")
    return [known[wanted]] if wanted else list(known.values())


def _journals(site: Site, hosts: Sequence[Host], finding: Finding) -> list[str]:
    """What the service that is to blame says of its failure, or all that might be: the evidence, the cause first."""
    cause, found = finding.cause, []
    for host in hosts:
        services = [cause.service] if cause else finding.problem.services
        carried = [one for one in services if host.name in {node.name for node in site.carrying(one)}]
        asked = carried if cause is None or cause.host == host.name else []
        answers = asking.put(host, [asking.Question(f"why://{one}") for one in asked])
        for service, answer in zip(asked, answers, strict=True):
            found += [f"{host.name}, {service}: {line}" for line in answer.body.splitlines()[:LINES]]
    return found
