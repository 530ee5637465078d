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

    declaration: Declaration
    state: HostState
    now: int
    removable: Collection[str] = ()  # services that somebody has asked to be removed

    @property
    def site(self) -> Site:
        return self.declaration.site

    @property
    def generation(self) -> Generation:
        return self.declaration.generation

    @property
    def host(self) -> str:
        return self.declaration.host

    @property
    def running(self) -> set[str]:
        """The services whose process is there."""
        return {service for service, process in self.state.processes.items() if process.active}
