"""What people made with the services of a host: listed before a change, so that the gate sees whether any is lost."""

from __future__ import annotations

from pyinfra.api.host import Host

from lgtm.host import asking, files, remote
from lgtm.host.asking import Question
from lgtm.load.declaration import adopted as adopted_by
from lgtm.model.checks import Check
from lgtm.model.errors import LgtmError, combined
from lgtm.model.made import Made, presence_checks
from lgtm.model.plan import Plan
from lgtm.model.view import View
from lgtm.report import terminal


def kinds(view: View, plan: Plan) -> list[tuple[str, Made]]:
    """Give (service, kind of things) of each service that runs and will be restarted."""
    restarts = view.running.intersection(plan.subjects("restart"))
    return [(service, made) for service, made in view.declaration.made if service in restarts]


def count(host: Host, kinds: list[tuple[str, Made]]) -> list[tuple[str, Check]]:
    """List these kinds now and give the checks to ask afterwards: one remote command.

    Prints which kinds could not be listed. Raises LgtmError, and releases the lock, for things that conflict with
    what is deployed.
    """
    answers = asking.query(host, [Question(made.url, made.user, made.secret) for _, made in kinds])
    checks, unknown = presence_checks(kinds, answers)
    listed = {check.id for _, check in checks}
    if clashes := [f"{service}: {one}" for (service, made), answer in zip(kinds, answers, strict=True)
                   if made.id in listed for one in made.clashes(answer)]:  # fmt: skip
        remote.run(host, "unlock")
        raise LgtmError("\n".join(f"{host.name}: {clash}" for clash in clashes))
    terminal.notes(host.name, [f"{why}; a loss would not be noticed" for why in unknown])
    return checks


def adopted(view: View, host: Host, plan: Plan) -> list[tuple[str, Check]]:
    """Read the data of another installation for services that do not run yet: one remote command, or none.

    Gives the checks that none of it is lost. Raises Refusal when it cannot be adopted.
    """
    starting = set(plan.subjects("restart")) - view.running
    components = [one for one in view.generation.components if one.service in starting and one.adopts]
    if not components:
        return []
    try:
        present = files.fetch(host, [path for one in components for path in one.adopts])
    except LgtmError as error:
        terminal.notes(host.name, [f"{error}; a loss would not be noticed"])
        return []
    checks: list[tuple[str, Check]] = []
    for one in components:
        paths = [path for path in (adopt.removeprefix("?") for adopt in one.adopts) if path in present]
        adoption = adopted_by(view.declaration, one.service, {path: present[path] for path in paths})
        terminal.notes(host.name, [f"{one.service}: {note}" for note in adoption.notes])
        if adoption.problems:
            raise combined([f"{host.name}: {one.service}: {problem}" for problem in adoption.problems])
        kinds_here = [made for service, made in view.declaration.made if service == one.service]
        checks += [
            (one.service, made.presence_check(adoption.made[made.id]))
            for made in kinds_here
            if adoption.made.get(made.id)
        ]
    return checks
