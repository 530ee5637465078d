"""A host's state and its declaration, side by side: checks and plans compare the two."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from lgtm.model.declaration import Declaration
from lgtm.model.generation import Generation
from lgtm.model.hoststate import HostState
from lgtm.model.site import Site


@dataclass(frozen=True)
class View:
    """A host's declaration and its state. `now` is the controller's clock, in seconds since the epoch."""

    declaration: Declaration
    state: HostState
    now: int
    removable: Collection[str] = ()  # services that `--data remove` names

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
        """The services whose unit is active."""
        return {service for service, process in self.state.processes.items() if process.active}
