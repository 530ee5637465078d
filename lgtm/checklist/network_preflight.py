"""What the network says before a deploy: whether what is outside of the host answers, with the new secrets."""

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
    """The host's own items, and the checks that can be asked before anything of ours runs: one remote command."""
    checks = [(service, check) for service, check in view.declared.checks if check.preflight]
    asked = asking.ask(host, [*checks, *_downloads(view.site, plan)], plan.generation.secrets)
    return [*preflight.results(view), *asked]


def require(host: Host, view: View, plan: Plan) -> None:
    """Show what is not as it should be. Raises Refusal when the deploy could not succeed."""
    wrong = [result for result in results(host, view, plan) if not result.ok]
    RUN.record.host(host.name).checked(wrong)
    if wrong:
        terminal.checks(wrong)
    if failed := [result for result in wrong if result.verdict == "failed"]:
        raise combined([f"{host.name}: {one.check.title}: {one.found}; {one.check.remedy}" for one in failed])


def _downloads(site: Site, plan: Plan) -> list[tuple[str, Check]]:
    """Whether the host reaches what it downloads itself."""
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
