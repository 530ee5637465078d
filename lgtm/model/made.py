"""What people make with a service, such as dashboards: listed before a change of the service, and again after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from lgtm.model.checks import Answer, Bad, Check, NotYet

Names = Mapping[str, str]  # id → title, as people know it
SETTLES = 60  # seconds until a service that was restarted lists everything again


@dataclass(frozen=True)
class Made:
    """A kind of things that people make with a service, such as dashboards.

    `url` lists them. `names` parses that answer, or raises Bad; `clashes` gives what in the same answer conflicts
    with what is deployed. `user` and `secret` are those of a Check.
    """

    id: str
    title: str  # in the plural: "dashboards"
    url: str
    names: Callable[[Answer], Names]
    clashes: Callable[[Answer], Iterable[str]] = lambda answer: ()
    user: str = ""
    secret: str = ""

    def presence_check(self, before: Names) -> Check:
        """Give the check that everything of `before` still exists."""
        return Check(
            id=self.id, title=f"No {self.title} are lost", url=self.url,
            judge=lambda answer: _all_there(self, before, self.names(answer)),
            remedy="the host reverts; see the log of the new version's migration, or deploy again if "
            "somebody deleted them meanwhile",
            patience=SETTLES, settles=SETTLES, user=self.user, secret=self.secret,
        )  # fmt: skip


def _all_there(made: Made, before: Names, after: Names) -> str:
    if lost := sorted(before[one] or one for one in before.keys() - after.keys()):
        more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
        raise NotYet(f"{len(lost)} of {len(before)} {made.title} are missing: {', '.join(lost[:3])}{more}")
    return f"all {len(before)}"


@dataclass(frozen=True)
class Adopted:
    """What a service's data has from another installation, as its task module reads it before the first start.

    `problems` say why the data cannot be adopted, `notes` what happens to it; `made` is a Made's id → names.
    """

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    made: Mapping[str, Names] = field(default_factory=dict)


def presence_checks(kinds: list[tuple[str, Made]], answers: list[Answer]) -> tuple[list[tuple[str, Check]], list[str]]:
    """Give the checks (service, check) to ask after a change, and a message for each kind that could not be listed."""
    checks: list[tuple[str, Check]] = []
    unknown = []
    for (service, made), answer in zip(kinds, answers, strict=True):
        try:
            checks.append((service, made.presence_check(made.names(answer))))
        except (Bad, KeyError, TypeError, ValueError) as finding:
            unknown.append(f"{service}: its {made.title} could not be listed before the change ({finding})")
    return checks, unknown
