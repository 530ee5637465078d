"""What the processes of a host execute, which may differ from what is declared for it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from lgtm.model.artifact import MARK, Resolved
from lgtm.model.component import ARTIFACTS
from lgtm.model.generation import Generation
from lgtm.model.hoststate import HostState


@dataclass(frozen=True)
class Running:
    """An artifact that a service's process executes, by its directory, beside the one that is declared."""

    directory: str
    declared: Resolved

    @property
    def as_declared(self) -> bool:
        return self.directory == self.declared.directory

    @property
    def stand_in(self) -> bool:
        """Whether it is a stand-in: every stand-in says so in its version, and so in its directory."""
        return MARK in self.directory


def running(generation: Generation, state: HostState) -> dict[str, Running]:
    """Give service → what its process executes; without services that have no process, or one that is not ours."""
    executed = {
        service: process.exe.removeprefix(f"{ARTIFACTS}/").partition("/")[0]
        for service, process in state.processes.items()
        if process.exe.startswith(f"{ARTIFACTS}/")
    }
    return {
        name: Running(executed[name], declared) for name, declared in generation.artifacts.items() if name in executed
    }


def as_declared(generation: Generation) -> dict[str, Running]:
    """Give the same for a host that was not read: it is assumed to run what is declared."""
    return {name: Running(artifact.directory, artifact) for name, artifact in generation.artifacts.items()}
