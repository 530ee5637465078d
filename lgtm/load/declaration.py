"""Makes the declaration of a host from its task modules. Pure, except for the artifact store, which may download."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from lgtm.artifacts.pins import Pins
from lgtm.artifacts.store import Store
from lgtm.load.plugins import amendments, tasks
from lgtm.model import generation
from lgtm.model.artifact import Resolved
from lgtm.model.checks import Result
from lgtm.model.component import Component
from lgtm.model.declaration import Declaration
from lgtm.model.errors import Refusal
from lgtm.model.made import Adopted
from lgtm.model.run import RUN
from lgtm.model.running import Running, as_declared
from lgtm.model.settings import ServiceSettings, SiteSettings
from lgtm.model.site import Site

BUNDLED = Path("bundle") / "artifacts"  # where a bundle has its artifacts; nothing else is used then


@cache
def store(root: Path, settings: SiteSettings) -> Store:
    """Make the artifact store of a site from settings, a bundle, LGTM_BINARIES, LGTM_OFFLINE and LGTM_CACHE."""
    binaries, bundled = os.environ.get("LGTM_BINARIES"), (root / BUNDLED).is_dir()
    cache_folder = root / BUNDLED if bundled else os.environ.get("LGTM_CACHE") or Path.home() / ".cache" / "lgtm"
    return Store(
        pins=Pins.load(root / "artifacts.lock"),
        cache=Path(cache_folder),
        binaries=Path(binaries) if binaries else None,
        fallback=root / settings.artifact_fallback if settings.artifact_fallback else None,
        offline=bundled or os.environ.get("LGTM_OFFLINE") == "1",
        mirror=settings.artifact_mirror,
        allow_unpinned=settings.allow_unpinned,
        look=bool(RUN.options and RUN.options.offline),
        push=settings.artifact_push,
    )


def declaration_of(site: Site) -> Declaration:
    """Give the declaration of the site's current host, made once per run. Raises Refusal like `declare`."""
    name = site.here.name
    if name not in RUN.declarations:
        RUN.declarations[name] = declare(site)
    return RUN.declarations[name]


def declare(site: Site) -> Declaration:
    """Make the declaration of the site's current host. Raises Refusal for anything that cannot be deployed."""
    settings: dict[str, ServiceSettings] = {}
    components: dict[str, Component] = {}
    artifacts: dict[str, Resolved] = {}
    for service in site.here.services:
        settings[service], components[service], artifacts[service] = _service(site, service)
    _refuse_unused_mounts(site, components)
    tasks_here = [(service, tasks()[service], settings[service]) for service in settings]
    return Declaration(
        site=site,
        generation=generation.build(site.here.name, components.values(), artifacts),
        settings=settings,
        checks=tuple((service, one) for service, task, own in tasks_here for one in task.checks(own, site)),
        drills=tuple((service, one) for service, task, own in tasks_here for one in task.drills(own, site)),
        made=tuple((service, one) for service, task, own in tasks_here for one in task.made(own, site)),
        plots=tuple(one for _, task, own in tasks_here for one in task.plots(own, site)),
    )


def _service(site: Site, service: str) -> tuple[ServiceSettings, Component, Resolved]:
    """A service's settings, component and artifact; the settings get the version of the artifact that was found."""
    settings, task = site.here.services[service], tasks()[service]
    component = task.component(settings, site)
    artifact = store(site.root, site.here.settings).resolve(
        component.artifact.name, component.artifact.version, site.here.settings.arch
    )
    if artifact.version != settings.version:  # an unpinned one
        settings = settings.model_copy(update={"version": artifact.version})
        component = task.component(settings, site)
    for amend in amendments():
        component = amend(component, site)
    return settings, component, artifact


def _refuse_unused_mounts(site: Site, components: Mapping[str, Component]) -> None:
    used = {volume.mount for component in components.values() for volume in component.volumes}
    if unused := sorted(set(site.here.settings.mounts) - used):
        raise Refusal(
            f"{site.here.name}: mounts: no service keeps data below {', '.join(unused)}; remove it, or correct it"
        )


def adopted(declaration: Declaration, service: str, files: Mapping[str, bytes]) -> Adopted:
    """Give what happens to another installation's data; `files` is path → content of what the component adopts."""
    return tasks()[service].adopted(declaration.settings[service], declaration.site, files)


def mark_stand_ins(site: Site, results: list[Result], runs: Mapping[str, Mapping[str, Running]]) -> list[Result]:
    """Give the same results; those that a stand-in answered are marked, since they prove our wiring only.

    `runs` is host → service → what runs there, for hosts that were read; others are assumed to run what is declared.
    """
    hosts = dict(runs)

    def stands_in(url: str) -> bool:
        node, service = site.answering(url) or (None, "")
        if node is None:
            return False
        if node.name not in hosts:
            hosts[node.name] = as_declared(declaration_of(site.at(node)).generation)
        return service in hosts[node.name] and hosts[node.name][service].stand_in

    return [replace(result, stand_in=stands_in(result.check.url)) for result in results]
