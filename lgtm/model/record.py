"""What a run has found, host by host: the one value behind the JSON and the page that a run leaves."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lgtm.model.artifact import STANDIN
from lgtm.model.checks import Result
from lgtm.model.generation import Generation
from lgtm.model.running import Running


@dataclass
class HostRecord:
    """What was found on one host; times in seconds since the epoch."""

    name: str
    generation: str = ""  # that is declared
    current: str = ""  # that is in force
    in_force: bool = False  # whether the host is as declared, in every detail
    versions: dict[str, str] = field(default_factory=dict)
    stand_ins: list[str] = field(default_factory=list)
    plan: list[str] = field(default_factory=list)
    checks: list[dict[str, str]] = field(default_factory=list)
    well_since: int | None = None  # since when this release has been well there, as verify.py knows it
    now: int = 0  # by the host's own clock
    history: list[Any] = field(default_factory=list)

    def declared(self, generation: Generation) -> None:
        self.generation = generation.id
        self.versions = generation.versions
        self.stand_ins = sorted({one.name for one in generation.artifacts.values() if one.source == STANDIN})

    def runs(self, found: Mapping[str, Running]) -> None:
        """Stand-ins are those that run (service → what its process executes), and not those that are declared."""
        self.stand_ins = sorted(service for service, one in found.items() if one.stand_in)

    def checked(self, results: Iterable[Result]) -> None:
        self.checks += [
            {
                "id": one.check.id, "title": one.check.title, "service": one.service, "verdict": one.verdict,
                "found": one.found, "remedy": one.check.remedy, "gate": one.check.gate,
            }
            for one in results
        ]  # fmt: skip


@dataclass
class Record:
    """One run."""

    script: str = ""
    inventory: str = ""
    environment: str = ""
    release: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.time)
    sentences: list[str] = field(default_factory=list)  # what went wrong, as it was said
    hosts: dict[str, HostRecord] = field(default_factory=dict)
    plots: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)  # of a rollout

    def host(self, name: str) -> HostRecord:
        return self.hosts.setdefault(name, HostRecord(name))

    def as_dict(self, code: int) -> dict[str, Any]:
        ended = time.time()
        return {**vars(self), "hosts": [vars(one) for one in self.hosts.values()], "ended": ended, "exit": code}
