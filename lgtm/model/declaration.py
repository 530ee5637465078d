"""The declaration of one host: its generation and its checks, in one value that is made once per host and run."""

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
    """What the task modules declare for one host. Pairs are (service, its check or its kind of things)."""

    site: Site  # seen from this host
    generation: Generation
    settings: Mapping[str, ServiceSettings] = field(
        default_factory=dict
    )  # service → settings, with the version that will run
    checks: tuple[tuple[str, Check], ...] = ()
    drills: tuple[tuple[str, Check], ...] = ()  # disruptive checks, asked on request only
    made: tuple[tuple[str, Made], ...] = ()  # what people make with the services
    plots: tuple[Plot, ...] = ()  # what a report draws

    @property
    def host(self) -> str:
        return self.site.here.name
