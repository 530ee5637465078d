"""What one host is declared to be, and what is asked of it: one value, made once per host and run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lgtm.model.checks import Check, Plot
from lgtm.model.generation import Generation
from lgtm.model.made import Made
from lgtm.model.settings import ServiceSettings
from lgtm.model.site import Site


@dataclass(frozen=True)
class Declaration:
    """What the task modules declare for one host. Pairs are (service, what belongs to it)."""

    site: Site  # seen from this host
    generation: Generation
    settings: Mapping[str, ServiceSettings] = field(default_factory=dict)  # of the version that will run
    checks: tuple[tuple[str, Check], ...] = ()
    drills: tuple[tuple[str, Check], ...] = ()  # disruptive checks, asked on request only
    made: tuple[tuple[str, Made], ...] = ()  # what people make with the services
    plots: tuple[Plot, ...] = ()  # what a report draws

    @property
    def host(self) -> str:
        return self.site.here.name
