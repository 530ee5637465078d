"""What the task modules declare for one host: its generation and its checks. Pure but for the artifact store."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TypeVar

from lgtm.artifacts.pins import Pins
from lgtm.artifacts.store import Store
from lgtm.load.plugins import Task, amendments, tasks
from lgtm.model import generation
from lgtm.model.artifact import Resolved
from lgtm.model.checks import Check, Plot, Result
from lgtm.model.component import Component
from lgtm.model.errors import Refusal
from lgtm.model.generation import Generation
from lgtm.model.made import Adopted, Made
from lgtm.model.running import Running, as_declared
from lgtm.model.settings import ServiceSettings, SiteSettings
from lgtm.model.site import Site

T = TypeVar("T")
BUNDLED = Path("bundle") / "artifacts"  # in a site's folder that came out of a bundle: all there is, and enough


@cache
def store(root: Path, settings: SiteSettings) -> Store:
    """Where this site's artifacts come from: settings, a bundle, LGTM_BINARIES, LGTM_OFFLINE and LGTM_CACHE."""
    binaries, bundled = os.environ.get("LGTM_BINARIES"), (root / BUNDLED).is_dir()
    cache_folder = root / BUNDLED if bundled else os.environ.get("LGTM_CACHE") or Path.home() / ".cache" / "lgtm"
    return Store(
        pins=Pins.load(root / "artifacts.lock"),
        cache=Path(cache_folder),
        binaries=Path(binaries) if binaries else None,
        fallback=root / settings.artifact_fallback if settings.artifact_fallback else None,
        offline=bundled or os.environ.get("LGTM_OFFLINE") == "1",
        mirror=settings.artifact_mirror,
        allow_unlocked=settings.allow_unlocked,
        push=settings.artifact_push,
    )


@dataclass(frozen=True)
class Declared:
    """A service of one host with what it will run, and the settings that fit it."""

    settings: ServiceSettings
    component: Component
    artifact: Resolved


def _declared(site: Site) -> dict[str, Declared]:
    """service → what is declared of it on the site's current host. Raises Refusal for whatever cannot be had."""
    source = store(site.root, site.here.settings)
    found = {}
    for service, settings in site.here.services.items():
        component = tasks()[service].component(settings, site)
        artifact = source.resolve(component.artifact.name, component.artifact.version, site.here.settings.arch)
        if artifact.version != settings.version:  # an unlocked one: configuration and checks follow what will run
            settings = settings.model_copy(update={"version": artifact.version})
            component = tasks()[service].component(settings, site)
        found[service] = Declared(settings, _amended(component, site), artifact)
    return found


def _amended(component: Component, site: Site) -> Component:
    for amend in amendments():
        component = amend(component, site)
    return component


def generation_of(site: Site) -> Generation:
    """The generation of the site's current host. Raises Refusal for whatever cannot be deployed."""
    declared = _declared(site)
    artifacts = {service: one.artifact for service, one in declared.items()}
    used = {volume.mount for one in declared.values() for volume in one.component.volumes}
    if idle := sorted(set(site.here.settings.mounts) - used):
        raise Refusal(
            f"{site.here.name}: mounts: no service keeps data below {', '.join(idle)}; take it out, or mend it"
        )
    return generation.build(site.here.name, [one.component for one in declared.values()], artifacts)


def marked(site: Site, results: list[Result], found: Mapping[str, Mapping[str, Running]] | None = None) -> list[Result]:
    """The same results, with those marked that a stand-in answered: they prove our side of the wire only.

    `found` says of the hosts that were read what runs there, by service; of others it is what is declared.
    """
    hosts = dict(found or {})

    def stands_in(url: str) -> bool:
        node, service = site.answering(url) or (None, "")
        if node is None:
            return False
        if node.name not in hosts:
            hosts[node.name] = as_declared(generation_of(site.at(node)))
        return service in hosts[node.name] and hosts[node.name][service].stand_in

    return [replace(result, stand_in=stands_in(result.check.url)) for result in results]


def checks_of(site: Site) -> list[tuple[str, Check]]:
    """(service, check) for every check of the site's current host."""
    return _all_of(site, lambda task: task.checks)


def drills_of(site: Site) -> list[tuple[str, Check]]:
    """Likewise, for the checks that somebody is disturbed by."""
    return _all_of(site, lambda task: task.drills)


def made_of(site: Site) -> list[tuple[str, Made]]:
    """Likewise, for what people make with each service."""
    return _all_of(site, lambda task: task.made)


def adopted(site: Site, service: str, files: Mapping[str, bytes]) -> Adopted:
    """What becomes of what lies in a service's data, of files (path → content) that its component adopts."""
    return tasks()[service].adopted(_declared(site)[service].settings, site, files)


def plots_of(site: Site) -> list[Plot]:
    """What a report draws of the site's current host."""
    return [plot for _, plot in _all_of(site, lambda task: task.plots)]


def _all_of(site: Site, part: Callable[[Task], Callable[..., list[T]]]) -> list[tuple[str, T]]:
    return [
        (service, one)
        for service, found in _declared(site).items()
        for one in part(tasks()[service])(found.settings, site)
    ]
