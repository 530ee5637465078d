"""What people made with the services of a host: listed before a change, so that its gate can ask for all of it."""

from __future__ import annotations

from pyinfra.api.host import Host

from lgtm.host import asking, files, remote
from lgtm.host.asking import Question
from lgtm.load.declaration import adopted as adopted_by
from lgtm.model.checks import Check
from lgtm.model.errors import LgtmError, combined
from lgtm.model.made import Made, counted
from lgtm.model.plan import Plan
from lgtm.model.view import View
from lgtm.report import terminal


def kinds(view: View, plan: Plan) -> list[tuple[str, Made]]:
    """(service, kind of things) of every service that runs and will be restarted."""
    restarts = view.running.intersection(plan.subjects("restart"))
    return [(service, made) for service, made in view.declared.made if service in restarts]


def count(host: Host, asked: list[tuple[str, Made]]) -> list[tuple[str, Check]]:
    """List these now, one remote command; what cannot be listed is said, since its loss would not be noticed.

    Raises LgtmError, and gives the lock back, for what cannot stay beside that which is deployed.
    """
    answers = asking.put(host, [Question(made.url, made.user, made.secret) for _, made in asked])
    checks, unknown = counted(asked, answers)
    listed = {check.id for _, check in checks}
    if clashes := [f"{service}: {one}" for (service, made), answer in zip(asked, answers, strict=True)
                   if made.id in listed for one in made.clashes(answer)]:  # fmt: skip
        remote.run(host, "unlock")
        raise LgtmError("\n".join(f"{host.name}: {clash}" for clash in clashes))
    terminal.notes(host.name, [f"{why}; should some be lost, nobody would notice" for why in unknown])
    return checks


def adopted(view: View, host: Host, plan: Plan) -> list[tuple[str, Check]]:
    """Look into what another installation has left for services that do not run yet: one remote command, or none.

    Raises Refusal where it cannot be taken over as it is. Returns the checks that all of it is there afterwards.
    """
    starting = set(plan.subjects("restart")) - view.running
    components = [one for one in view.wanted.components if one.service in starting and one.adopts]
    if not components:
        return []
    try:
        present = files.fetch(host, [path for one in components for path in one.adopts])
    except LgtmError as error:
        terminal.notes(host.name, [f"{error}; should something get lost, nobody would notice"])
        return []
    checks: list[tuple[str, Check]] = []
    for one in components:
        paths = [path for path in (adopt.removeprefix("?") for adopt in one.adopts) if path in present]
        found = adopted_by(view.declared, one.service, {path: present[path] for path in paths})
        terminal.notes(host.name, [f"{one.service}: {note}" for note in found.notes])
        if found.problems:
            raise combined([f"{host.name}: {one.service}: {problem}" for problem in found.problems])
        mine = [made for service, made in view.declared.made if service == one.service]
        checks += [(one.service, made.kept(found.made[made.id])) for made in mine if found.made.get(made.id)]
    return checks
