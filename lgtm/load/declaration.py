"""What the task modules declare for one host. Pure but for the artifact store, which may download."""

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
        look=bool(RUN.options and RUN.options.offline),
        push=settings.artifact_push,
    )


def declared(site: Site) -> Declaration:
    """What the site's current host is declared to be, made once per run. Raises Refusal like `declare`."""
    name = site.here.name
    if name not in RUN.declarations:
        RUN.declarations[name] = declare(site)
    return RUN.declarations[name]


def declare(site: Site) -> Declaration:
    """Make the declaration of the site's current host. Raises Refusal for whatever cannot be deployed."""
    settings: dict[str, ServiceSettings] = {}
    components: dict[str, Component] = {}
    artifacts: dict[str, Resolved] = {}
    for service in site.here.services:
        settings[service], components[service], artifacts[service] = _service(site, service)
    _refuse_unused_mounts(site, components)
    mine = [(service, tasks()[service], settings[service]) for service in settings]
    return Declaration(
        site=site,
        generation=generation.build(site.here.name, components.values(), artifacts),
        settings=settings,
        checks=tuple((service, one) for service, task, its in mine for one in task.checks(its, site)),
        drills=tuple((service, one) for service, task, its in mine for one in task.drills(its, site)),
        made=tuple((service, one) for service, task, its in mine for one in task.made(its, site)),
        plots=tuple(one for _, task, its in mine for one in task.plots(its, site)),
    )


def _service(site: Site, service: str) -> tuple[ServiceSettings, Component, Resolved]:
    """A service with what it will run: the settings follow the version that can be had."""
    settings, task = site.here.services[service], tasks()[service]
    component = task.component(settings, site)
    artifact = store(site.root, site.here.settings).resolve(
        component.artifact.name, component.artifact.version, site.here.settings.arch
    )
    if artifact.version != settings.version:  # an unlocked one
        settings = settings.model_copy(update={"version": artifact.version})
        component = task.component(settings, site)
    for amend in amendments():
        component = amend(component, site)
    return settings, component, artifact


def _refuse_unused_mounts(site: Site, components: Mapping[str, Component]) -> None:
    used = {volume.mount for component in components.values() for volume in component.volumes}
    if unused := sorted(set(site.here.settings.mounts) - used):
        raise Refusal(
            f"{site.here.name}: mounts: no service keeps data below {', '.join(unused)}; take it out, or mend it"
        )


def adopted(declaration: Declaration, service: str, files: Mapping[str, bytes]) -> Adopted:
    """What becomes of what lies in a service's data, of files (path → content) that its component adopts."""
    return tasks()[service].adopted(declaration.settings[service], declaration.site, files)


def marked(site: Site, results: list[Result], runs: Mapping[str, Mapping[str, Running]]) -> list[Result]:
    """The same results, with those marked that a stand-in answered: they prove our side of the wire only.

    `runs` says of the hosts that were read what runs there, by service; of others it is what is declared.
    """
    hosts = dict(runs)

    def stands_in(url: str) -> bool:
        node, service = site.answering(url) or (None, "")
        if node is None:
            return False
        if node.name not in hosts:
            hosts[node.name] = as_declared(declared(site.at(node)).generation)
        return service in hosts[node.name] and hosts[node.name][service].stand_in

    return [replace(result, stand_in=stands_in(result.check.url)) for result in results]
