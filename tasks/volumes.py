"""Volumes: where services keep what survives every generation, and the mount points that must be there first."""

from __future__ import annotations

from dataclasses import replace

from lgtm.task import Component, Site


def amend(component: Component, site: Site) -> Component:
    """The component, each of its volumes with the mount point (setting `mounts`) that it should lie on, if any."""
    mounts = site.here.settings.mounts
    volumes = (replace(one, mount=max(above(one.path, mounts), key=len, default=None)) for one in component.volumes)
    return replace(component, volumes=tuple(volumes))


def above(path: str, mounts: tuple[str, ...]) -> list[str]:
    """Those of the mount points at or above a path."""
    return [mount for mount in mounts if f"{path}/".startswith(f"{mount.rstrip('/')}/")]
