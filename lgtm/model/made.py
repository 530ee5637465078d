"""What people make with a service, such as dashboards: known before a change of it, and looked for afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from lgtm.model.checks import Answer, Bad, Check, NotYet

Names = Mapping[str, str]  # id → title, as people know it
SETTLES = 60  # seconds until a service that was restarted lists everything again


@dataclass(frozen=True)
class Made:
    """A kind of things that people make with a service.

    `url` lists them, and `names` reads the list, or raises Bad; `clashes` says of the same answer what cannot stay
    beside that which is deployed. `user` and `secret` are those of a Check.
    """

    id: str
    title: str  # in the plural: "dashboards"
    url: str
    names: Callable[[Answer], Names]
    clashes: Callable[[Answer], Iterable[str]] = lambda answer: ()
    user: str = ""
    secret: str = ""

    def presence_check(self, before: Names) -> Check:
        """The check that all that was there before a change is there after it."""
        return Check(
            id=self.id, title=f"The {self.title} that people had are there", url=self.url,
            judge=lambda answer: _all_there(self, before, self.names(answer)),
            remedy="the host goes back by itself; see what the new version says of its migration, or deploy again if "
            "somebody deleted that meanwhile",
            patience=SETTLES, settles=SETTLES, user=self.user, secret=self.secret,
        )  # fmt: skip


def _all_there(made: Made, before: Names, after: Names) -> str:
    if lost := sorted(before[one] or one for one in before.keys() - after.keys()):
        more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
        raise NotYet(f"of {len(before)} {made.title} {len(lost)} are gone: {', '.join(lost[:3])}{more}")
    return f"all {len(before)}"


@dataclass(frozen=True)
class Adopted:
    """What lies in a service's data of another installation, as the task module reads it before the first start.

    `problems` say why it cannot be taken over as it is; `notes` what becomes of it; `made` is id of a Made → names.
    """

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    made: Mapping[str, Names] = field(default_factory=dict)


def presence_checks(kinds: list[tuple[str, Made]], answers: list[Answer]) -> tuple[list[tuple[str, Check]], list[str]]:
    """(service, check) of all kinds that could be listed, to be asked after the change; and why others could not."""
    checks: list[tuple[str, Check]] = []
    unknown = []
    for (service, made), answer in zip(kinds, answers, strict=True):
        try:
            checks.append((service, made.presence_check(made.names(answer))))
        except (Bad, KeyError, TypeError, ValueError) as finding:
            unknown.append(f"{service}: its {made.title} could not be listed before the change ({finding})")
    return checks, unknown
