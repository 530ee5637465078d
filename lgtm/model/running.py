"""What really runs on a host, whatever is declared for it: the answers of its services prove that. Pure."""

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


def running(wanted: Generation, found: HostState) -> dict[str, Running]:
    """service → what its process executes; services without a process, or with a foreign one, are left out."""
    executed = {
        service: process.exe.removeprefix(f"{ARTIFACTS}/").partition("/")[0]
        for service, process in found.processes.items()
        if process.exe.startswith(f"{ARTIFACTS}/")
    }
    return {name: Running(executed[name], declared) for name, declared in wanted.artifacts.items() if name in executed}


def as_declared(wanted: Generation) -> dict[str, Running]:
    """The same of a host that is not read: what is declared for it is taken for what runs."""
    return {name: Running(artifact.directory, artifact) for name, artifact in wanted.artifacts.items()}
