"""The record of a run, host by host: its JSON file and its HTML page are made of it."""

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
    """The results of one host; times in seconds since the epoch."""

    name: str
    generation: str = ""  # that is declared
    current: str = ""  # that is in force
    in_force: bool = False  # whether the host has no difference to its declaration
    versions: dict[str, str] = field(default_factory=dict)
    stand_ins: list[str] = field(default_factory=list)
    plan: list[str] = field(default_factory=list)
    checks: list[dict[str, str]] = field(default_factory=list)
    well_since: int | None = None  # since when this release has been healthy there, as verify.py keeps it on the host
    now: int = 0  # by the host's own clock
    history: list[Any] = field(default_factory=list)

    def set_generation(self, generation: Generation) -> None:
        self.generation = generation.id
        self.versions = generation.versions
        self.stand_ins = sorted({one.name for one in generation.artifacts.values() if one.source == STANDIN})

    def set_running(self, running: Mapping[str, Running]) -> None:
        """Record the stand-ins that run, in place of the declared ones; `running` is service → what it executes."""
        self.stand_ins = sorted(service for service, one in running.items() if one.stand_in)

    def add_checks(self, results: Iterable[Result]) -> None:
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
    sentences: list[str] = field(default_factory=list)  # error messages, as they were printed
    hosts: dict[str, HostRecord] = field(default_factory=dict)
    plots: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)  # of a rollout

    def host(self, name: str) -> HostRecord:
        return self.hosts.setdefault(name, HostRecord(name))

    def as_dict(self, code: int) -> dict[str, Any]:
        ended = time.time()
        return {**vars(self), "hosts": [vars(one) for one in self.hosts.values()], "ended": ended, "exit": code}
