"""Made-up components, and hosts that have all that these ask for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from lgtm.model import generation
from lgtm.model.artifact import Resolved
from lgtm.model.component import Artifact, Component, ConfigFile, Port, SecretFile, Unit, Volume, unit_name
from lgtm.model.declaration import Declaration
from lgtm.model.generation import Generation, sha256
from lgtm.model.hoststate import HostState, Process, SecretState, digest
from lgtm.model.planning import UNITS
from lgtm.model.secrets import Secret
from lgtm.model.site import Site
from lgtm.model.view import View

NONCE = "n0nce"
SUPPORT = {"/usr/local/lib/lgtm/activate.sh": "#!/bin/sh\n", f"{UNITS}/lgtm.target": "[Unit]\n"}
PORTS = {"alpha": 9001, "beta": 9002, "gamma": 9003, "delta": 9004}


def component(service: str = "alpha", **parts: Any) -> Component:
    """A service on a port of its own; `parts` are fields of Component."""
    port = PORTS.get(service, 9000)
    defaults: dict[str, Any] = {
        "artifact": Artifact(service, "1.0"),
        "unit": Unit(("{artifact}/" + service,)),
        "ready": f"http://127.0.0.1:{port}/ready",
        "ports": (Port("http", port, "127.0.0.1"),),
    }
    return Component(service=service, **defaults | parts)


def full(service: str = "alpha", **parts: Any) -> Component:
    """A service that has everything: a volume, a secret, and a file of each kind."""
    files = tuple(ConfigFile(f"{kind}.yml", kind, kind) for kind in ("restart", "reload", "none"))
    defaults: dict[str, Any] = {
        "volumes": (Volume(f"/data/{service}"),),
        "secrets": (SecretFile("token", Secret(f"s3cret-of-{service}")),),
        "files": files,
    }
    return component(service, **defaults | parts)


def resolved(one: Component, content: str = "") -> Resolved:
    """The component's artifact; another `content` is another build of the same version."""
    name, version = one.artifact.name, one.artifact.version
    sha = hashlib.sha256(f"{name} {version} {content}".encode()).hexdigest()
    return Resolved(name, version, "amd64", sha, "cache", True, "tar", None, None)


def build(*components: Component) -> Generation:
    return generation.build("web1", components, {one.service: resolved(one) for one in components})


def converged(wanted: Generation, nonce: str = NONCE) -> HostState:
    """A host on which nothing is left to do for a generation."""
    return HostState(
        current=wanted.id,
        sums={wanted.id: sums(wanted)},
        support={path: sha256(text) for path, text in SUPPORT.items()},
        links=links(wanted.services),
        artifacts=frozenset(artifact.directory for artifact in wanted.artifacts.values()),
        users=frozenset(one.user for one in wanted.components),
        volumes={
            volume.path: (f"{one.user}:{one.user}", volume.mode.lstrip("0"), "directory")
            for one in wanted.components
            for volume in one.volumes
        },
        secrets={
            f"{one.service}/{secret.name}": SecretState("600:root", digest(nonce, secret.value), True)
            for one in wanted.components
            for secret in one.secrets
        },
        processes={service: running(wanted, service) for service in wanted.services},
        started={service: wanted.restart_files(service) for service in wanted.services},
        loaded={service: wanted.reload_files(service) for service in wanted.services},
        fingerprint="f1",
    )


def sums(wanted: Generation) -> dict[str, str]:
    return {path: sha256(text) for path, text in wanted.files.items()}


def running(wanted: Generation, service: str) -> Process:
    return Process("active", f"{wanted.artifact_path(service)}/{service}")


def links(services: Iterable[str]) -> dict[str, str]:
    found = {
        f"{UNITS}/multi-user.target.wants/lgtm.target": f"{UNITS}/lgtm.target",
        f"{UNITS}/lgtm.target.wants/lgtm-recover.service": f"{UNITS}/lgtm-recover.service",
        f"{UNITS}/lgtm.target": "",  # a plain file
    }
    for name in map(unit_name, services):
        found[f"{UNITS}/{name}"] = f"/opt/lgtm/current/units/{name}"
        found[f"{UNITS}/lgtm.target.wants/{name}"] = f"../{name}"
    return found


def view(site: Site, wanted: Generation, found: HostState, now: int, removable: Iterable[str] = ()) -> View:
    """A host beside its declaration."""
    return View(Declaration(site, wanted), found, now, set(removable))
