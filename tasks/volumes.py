"""Volumes: where services keep what survives every generation; their owners and modes, and their mount points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pyinfra.api.operation import operation

from lgtm.host import remote
from lgtm.host.operations import Step
from lgtm.model.plan import Plan
from lgtm.task import Component, Site


@operation()
def repair(plan: Plan, support: Mapping[str, str] | None = None) -> Step:
    """
    Create users and data directories, and repair owners and modes; data is not touched.

    + plan: what differs on the host: its changes of the kinds user, directory and volume
    + support: path → text of plain files that every host has, written in the same remote command

    **Example:**

    .. code:: python

        volumes.repair(name="Owners and modes", plan=plan)
    """
    texts = {path: (support or {})[path] for path in reversed(plan.subjects("support"))}  # activate.sh needs the others
    volumes = [f"{user}:{volume.mode}:{volume.path}" for user, volume in plan.volumes]
    arguments = [*plan.subjects("user"), "--", *plan.subjects("directory"), "--", *volumes, "--", *texts]
    yield remote.step("prepare", arguments, remote.encoded(texts.values()))


def amend(component: Component, site: Site) -> Component:
    """The component, each of its volumes with the mount point (setting `mounts`) that it should lie on, if any."""
    mounts = site.here.settings.mounts
    volumes = (replace(one, mount=max(above(one.path, mounts), key=len, default=None)) for one in component.volumes)
    return replace(component, volumes=tuple(volumes))


def above(path: str, mounts: tuple[str, ...]) -> list[str]:
    """Those of the mount points at or above a path."""
    return [mount for mount in mounts if f"{path}/".startswith(f"{mount.rstrip('/')}/")]
