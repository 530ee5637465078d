"""The stages of a deploy that write to a host, as pyinfra operations. Each is one remote command, uploads apart."""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import Generator

import gevent
from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.context import ctx_host

from lgtm.artifacts.store import Store
from lgtm.host import remote
from lgtm.model.artifact import Resolved
from lgtm.model.generation import Generation
from lgtm.model.plan import Plan
from lgtm.model.unit import LIBRARY, command_line

Step = Generator[FunctionCommand, None, None]


@operation()
def install(plan: Plan, store: Store) -> Step:
    """
    Install the artifacts that the host lacks: downloaded there, or sent from here; verified before they are visible.

    + plan: what differs on the host
    + store: where artifacts come from

    **Example:**

    .. code:: python

        operations.install(name="Artifacts", plan=plan, store=store)
    """
    yield FunctionCommand(_install, [plan.artifacts, store], {})


@operation()
def write_secrets(plan: Plan) -> Step:
    """
    Write the secrets that are missing or different, and remove those that no generation names.

    + plan: what differs on the host

    **Example:**

    .. code:: python

        operations.write_secrets(name="Secrets", plan=plan)
    """
    names = plan.subjects("secret", "add", "change")
    values = plan.generation.secrets
    arguments = [*plan.subjects("secret", "remove"), "--", *names]
    yield remote.step("secrets", arguments, remote.encoded(values[name].reveal() for name in names))


@operation()
def stage(plan: Plan) -> Step:
    """
    Write the generation beside the one in force; the new binaries validate it, in the sandbox of their units.

    + plan: what differs on the host

    **Example:**

    .. code:: python

        operations.stage(name="Stage and validate", plan=plan)
    """
    yield remote.step("stage", [plan.generation.id, *_rehearsals(plan)], _archive(plan.generation))


def support_files() -> dict[str, str]:
    """path → text of the plain files that every host has."""
    units = {name: (remote.SCRIPTS / name).read_text() for name in ("lgtm.target", "lgtm-recover.service")}
    scripts = {name: (remote.SCRIPTS / name).read_text() for name in ("activate.sh", "services.sh")}
    return {f"{LIBRARY}/{name}": text for name, text in scripts.items()} | {
        f"/etc/systemd/system/{name}": text for name, text in units.items()
    }


def _install(artifacts: list[Resolved], store: Store) -> None:
    """One artifact is unpacked while the next is on its way."""
    host = ctx_host.get()
    try:
        unpacking = [gevent.spawn(_unpack, host, artifact, *_deliver(artifact, store)) for artifact in artifacts]
        for greenlet in gevent.joinall(unpacking):
            greenlet.get()
    except Exception:
        remote.run(host, "unlock")  # a script that fails gives the lock back by itself; a failure here does not
        raise


def _deliver(artifact: Resolved, store: Store) -> tuple[str, str]:
    """Where the host finds an artifact, and the sha256 of what it finds there."""
    if artifact.url and not store.push:
        return artifact.url, artifact.sha256
    path, digest = store.local_file(artifact)
    return remote.put(ctx_host.get(), path, f"lgtm-{artifact.directory}.part"), digest


def _unpack(host: Host, artifact: Resolved, where: str, digest: str) -> None:
    remote.run(host, "artifact", [artifact.directory, digest, artifact.layout, artifact.name, where])


def _rehearsals(plan: Plan) -> list[str]:
    """What is run before the switch of each service that changes, a line each: see stage.sh."""
    lines = []
    for component in plan.generation.components:
        if component.service in plan.rehearsed:
            staged = f"/opt/lgtm/generations/{plan.generation.id}/etc/{component.service}"
            for kind, command in component.rehearsals:
                text = command_line(command, plan.generation.artifact_path(component.service), staged)
                lines.append("\t".join((component.service, kind, command[0].rpartition("/")[2], text)))
    return lines


def _archive(generation: Generation) -> str:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, text in sorted(generation.files.items()):
            entry = tarfile.TarInfo(path)
            data = text.encode()
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return base64.encodebytes(buffer.getvalue()).decode()
