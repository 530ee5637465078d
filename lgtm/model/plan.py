"""The plan: the changes that a run makes on a host, as a value. It is the same for a dry run and a real one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from lgtm.model.artifact import Resolved
from lgtm.model.component import Volume
from lgtm.model.generation import Generation

MARGIN = 30  # seconds that the host waits beyond activation and verification before it reverts

Kind = Literal["user", "directory", "volume", "artifact", "secret", "support", "file",
               "switch", "link", "stop", "restart", "reload"]  # fmt: skip
Action = Literal["add", "change", "remove"]
ACTIVATING: tuple[Kind, ...] = ("switch", "link", "stop", "restart", "reload")


@dataclass(frozen=True)
class Change:
    """One difference between a host and its declaration: kind, subject, reason, and what the run does about it.

    `str(Change("file", "order", "changed"))` is `file      order: changed`.
    """

    kind: Kind
    subject: str
    why: str = ""
    action: Action = "change"

    def __str__(self) -> str:
        return f"{self.kind:<9} {self.subject}{': ' if self.why else ''}{self.why}"


@dataclass(frozen=True)
class Plan:
    """All changes that bring one host to its declaration, in the order in which they are made."""

    host: str
    generation: Generation
    fingerprint: str
    current: str | None = None  # the generation in force
    changes: tuple[Change, ...] = ()
    oneway: tuple[str, ...] = ()  # services that cross a one-way change
    rehearsed: tuple[str, ...] = ()  # services of which something differs from the generation in force

    def of(self, *kinds: Kind) -> tuple[Change, ...]:
        """Give the changes of these kinds: `plan.of("restart", "reload")`."""
        return tuple(change for change in self.changes if change.kind in kinds)

    def subjects(self, kind: Kind, *actions: Action) -> list[str]:
        """Give the subjects of a kind's changes, limited to `actions` if any are given.

        `plan.subjects("secret", "remove")` names the secrets that are removed.
        """
        return [one.subject for one in self.of(kind) if not actions or one.action in actions]

    def only(self, *kinds: Kind) -> Plan:
        """Give the same plan with changes of these kinds alone."""
        return replace(self, changes=self.of(*kinds))

    @property
    def empty(self) -> bool:
        return not self.changes

    @property
    def activates(self) -> bool:
        """Whether `current`, a unit's link or a service changes, and not only files beside them."""
        return bool(self.of(*ACTIVATING))

    @property
    def stages(self) -> bool:
        """Whether the generation must be staged: `current` only moves to a complete one."""
        return bool(self.of("file", "switch"))

    @property
    def volumes(self) -> list[tuple[str, Volume]]:
        """(user, volume) of every volume that is created or repaired."""
        paths = self.subjects("volume")
        every = {volume.path: (one.user, volume) for one in self.generation.components for volume in one.volumes}
        return [every[path] for path in paths]

    @property
    def artifacts(self) -> list[Resolved]:
        """The artifacts that are installed."""
        every = {artifact.directory: artifact for artifact in self.generation.artifacts.values()}
        return [every[directory] for directory in self.subjects("artifact")]

    def activation(self, at_most: int) -> int:
        """Give the seconds that activation may take: 10, each restarted service's ready timeout, and 20 per reload."""
        waits = [self.generation.component(service).ready_timeout for service in self.subjects("restart")]
        return min(at_most, 10 + sum(waits) + 20 * len(self.of("reload")))

    @property
    def keep(self) -> str:
        """The services (with commas, or `-`) that a revert must leave as they are: their data cannot go back."""
        return ",".join(self.oneway) or "-"

    def differences(self, new: Plan) -> list[str]:
        """List how the changes of a newer plan differ from this one's, a line each; empty if this plan still holds.

        Restarts and reloads do not count, since the switch decides them itself, unless this plan has no switch.
        """
        removed, added = _steps(self) - _steps(new), _steps(new) - _steps(self)
        lines = [f"no longer needed: {kind} {subject}" for kind, subject in sorted(removed)]
        lines += [f"also needed: {kind} {subject}" for kind, subject in sorted(added)]
        if not lines and new.activates and not self.activates:
            lines = [f"also needed: {' '.join(str(one).split())}" for one in new.of("restart", "reload")]
        return lines

    def lines(self) -> list[str]:
        """Give the plan as people read it, one line per change."""
        return [str(change) for change in self.changes]


def _steps(plan: Plan) -> set[tuple[str, str]]:
    return {(one.kind, one.subject) for one in plan.changes if one.kind not in ("restart", "reload")}
