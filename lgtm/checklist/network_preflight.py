"""Network preflight: the checks before a deploy that ask other machines, with the new secrets."""

from __future__ import annotations

from pyinfra.api.host import Host

from lgtm.checklist import preflight
from lgtm.host import asking
from lgtm.load.declaration import store
from lgtm.model.checks import Answer, Bad, Check, Result
from lgtm.model.errors import combined
from lgtm.model.plan import Plan
from lgtm.model.run import RUN
from lgtm.model.site import Site
from lgtm.model.view import View
from lgtm.report import terminal


def results(host: Host, view: View, plan: Plan) -> list[Result]:
    """Give the results of the preflight checks and of those that ask other machines: one remote command."""
    checks = [(service, check) for service, check in view.declaration.checks if check.preflight]
    answered = asking.ask(host, [*checks, *_downloads(view.site, plan)], plan.generation.secrets)
    return [*preflight.results(view), *answered]


def require(host: Host, view: View, plan: Plan) -> None:
    """Print the failing checks. Raises Refusal when the deploy could not succeed."""
    wrong = [result for result in results(host, view, plan) if not result.ok]
    RUN.record.host(host.name).add_checks(wrong)
    if wrong:
        terminal.checks(wrong)
    if failed := [result for result in wrong if result.verdict == "failed"]:
        raise combined([f"{host.name}: {one.check.title}: {one.found}; {one.check.remedy}" for one in failed])


def _downloads(site: Site, plan: Plan) -> list[tuple[str, Check]]:
    """The checks that the host reaches the artifacts which it downloads itself."""
    if store(site.root, site.here.settings).push:
        return []
    return [
        (
            artifact.name,
            Check(
                id=f"{artifact.name}.download",
                title=f"{artifact.name} {artifact.version} can be downloaded",
                url=f"head+{artifact.url}",
                judge=_there,
                remedy="see the host's way out and its DNS, or set artifact_push or artifact_mirror",
                preflight=True,
            ),
        )
        for artifact in plan.artifacts
        if artifact.url
    ]


def _there(answer: Answer) -> str:
    if answer.status != 200:
        raise Bad(f"HTTP {answer.status}" if answer.status else answer.body.strip())
    return "200"
