"""What is done to a host: changes, as a value. Printable, testable, the same for a dry run and a real one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from lgtm.model.artifact import Resolved
from lgtm.model.component import Volume
from lgtm.model.generation import Generation

MARGIN = 30  # seconds that a switch may take beyond activation and verification, before the host goes back by itself

Kind = Literal["user", "directory", "volume", "artifact", "secret", "support", "file",
               "switch", "link", "stop", "restart", "reload"]  # fmt: skip
Action = Literal["add", "change", "remove"]
ACTIVATING: tuple[Kind, ...] = ("switch", "link", "stop", "restart", "reload")


@dataclass(frozen=True)
class Change:
    """One thing on a host that is not as declared: its kind, its name, why it differs, and what is done about it."""

    kind: Kind
    subject: str
    why: str = ""
    action: Action = "change"

    def __str__(self) -> str:
        return f"{self.kind:<9} {self.subject}{': ' if self.why else ''}{self.why}"


@dataclass(frozen=True)
class Plan:
    """All that takes one host from what it has to what is declared; `changes` are in the order of the steps."""

    host: str
    generation: Generation
    fingerprint: str
    current: str | None = None  # the generation in force
    changes: tuple[Change, ...] = ()
    oneway: tuple[str, ...] = ()  # services that cross a one-way change
    rehearsed: tuple[str, ...] = ()  # services of which something differs from the generation in force

    def of(self, *kinds: Kind) -> tuple[Change, ...]:
        """The changes of these kinds."""
        return tuple(change for change in self.changes if change.kind in kinds)

    def subjects(self, kind: Kind, *actions: Action) -> list[str]:
        """What the changes of a kind are about: all of them, or those with these actions."""
        return [one.subject for one in self.of(kind) if not actions or one.action in actions]

    def only(self, *kinds: Kind) -> Plan:
        """The same plan without changes of other kinds."""
        return replace(self, changes=self.of(*kinds))

    @property
    def empty(self) -> bool:
        return not self.changes

    @property
    def activates(self) -> bool:
        """Whether `current`, a link or a service is touched, rather than files beside them alone."""
        return bool(self.of(*ACTIVATING))

    @property
    def stages(self) -> bool:
        """Whether the generation must be written: `current` never moves to one that is not complete."""
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
        """Seconds that restarting, reloading and awaiting the services may take."""
        waits = [self.generation.component(service).ready_timeout for service in self.subjects("restart")]
        return min(at_most, 10 + sum(waits) + 20 * len(self.of("reload")))

    @property
    def keep(self) -> str:
        """The services (with commas, or `-`) that a revert must leave as they are: their data cannot go back."""
        return ",".join(self.oneway) or "-"

    def differences(self, anew: Plan) -> list[str]:
        """How a plan that was made anew differs in what is done, as sentences; none: this one can be carried out.

        Restarts and reloads do not count, since the switch decides them itself, unless nothing was to be switched.
        """
        gone, came = (_steps(a) - _steps(b) for a, b in ((self, anew), (anew, self)))
        found = [f"no longer to do: {kind} {subject}" for kind, subject in sorted(gone)]
        found += [f"to do as well: {kind} {subject}" for kind, subject in sorted(came)]
        if not found and anew.activates and not self.activates:
            found = [f"to do as well: {' '.join(str(one).split())}" for one in anew.of("restart", "reload")]
        return found

    def lines(self) -> list[str]:
        """The plan as people read it, a line for each change."""
        return [str(change) for change in self.changes]


def _steps(plan: Plan) -> set[tuple[str, str]]:
    return {(one.kind, one.subject) for one in plan.changes if one.kind not in ("restart", "reload")}
