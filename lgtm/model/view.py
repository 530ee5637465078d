"""One host as it is, beside what it is declared to be: what every judgement and every plan is made of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from lgtm.model.declaration import Declaration
from lgtm.model.generation import Generation
from lgtm.model.hoststate import HostState
from lgtm.model.site import Site


@dataclass(frozen=True)
class View:
    """A host beside its declaration. `now` is the controller's clock, in seconds since the epoch."""

    declared: Declaration
    found: HostState
    now: int
    removable: Collection[str] = ()  # services that somebody has asked to be removed

    @property
    def site(self) -> Site:
        return self.declared.site

    @property
    def wanted(self) -> Generation:
        return self.declared.generation

    @property
    def host(self) -> str:
        return self.declared.host

    @property
    def running(self) -> set[str]:
        """The services whose process is there."""
        return {service for service, process in self.found.processes.items() if process.active}
