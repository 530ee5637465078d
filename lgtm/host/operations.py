"""The pyinfra operations that carry out a plan. Each is one remote command (uploads apart), and safe to abandon."""

from __future__ import annotations

import base64
import io
import secrets as random
import tarfile
from collections.abc import Callable, Generator
from typing import Any

import gevent
from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.context import ctx_host

from lgtm.artifacts.store import Store
from lgtm.host import remote
from lgtm.model import history as past
from lgtm.model.artifact import Resolved
from lgtm.model.errors import LgtmError
from lgtm.model.generation import Generation
from lgtm.model.history import History
from lgtm.model.hoststate import HostState, parse
from lgtm.model.plan import Plan
from lgtm.model.unit import LIBRARY, command_line

NONCE = random.token_hex(16)  # makes the digests of secrets useless to whoever reads them later

Step = Generator[FunctionCommand, None, None]


def support_files() -> dict[str, str]:
    """path → text of the plain files that every host has."""
    units = {name: (remote.SCRIPTS / name).read_text() for name in ("lgtm.target", "lgtm-recover.service")}
    scripts = {name: (remote.SCRIPTS / name).read_text() for name in ("activate.sh", "services.sh")}
    return {f"{LIBRARY}/{name}": text for name, text in scripts.items()} | {
        f"/etc/systemd/system/{name}": text for name, text in units.items()
    }


def read(host: Host, generation: Generation) -> HostState:
    """Read the host: one remote command."""
    return parse(remote.run(host, "read", read_arguments(generation), NONCE))


def history(host: Host) -> History:
    """Read which generations the host has: one remote command."""
    return past.parse(remote.run(host, "history"))


def read_arguments(generation: Generation) -> list[str]:
    """What read.sh is told."""
    volumes = [(component.user, volume) for component in generation.components for volume in component.volumes]
    mounts = sorted({volume.mount for _, volume in volumes if volume.mount})
    return [generation.id, *(f"{user}:{volume.path}" for user, volume in volumes), "--", *mounts]


@operation()
def prepare(plan: Plan) -> Step:
    """Users, data directories, and the plain files that every host has."""
    texts = support_files()
    paths = [path for path, _ in reversed(plan.support)]  # activate.sh last: it needs what lies beside it
    volumes = [f"{user}:{volume.mode}:{volume.path}" for user, volume, _ in plan.volumes]
    closed = [path for path, _ in plan.closed]
    arguments = [*plan.users, "--", *closed, "--", *volumes, "--", *paths]
    yield _script("prepare", arguments, _lines(texts[path] for path in paths))


@operation()
def install(plan: Plan, store: Store) -> Step:
    """Bring the artifacts that the host lacks: downloaded there, or sent from here."""
    yield FunctionCommand(_install, [plan.artifacts, store], {})


@operation()
def write_secrets(plan: Plan) -> Step:
    """Write the secrets that are missing or different, and remove those nobody names."""
    values, names = plan.generation.secrets, [name for name, _ in plan.secrets]
    yield _script("secrets", [*plan.stale_secrets, "--", *names], _lines(values[name].reveal() for name in names))


@operation()
def stage(plan: Plan) -> Step:
    """Write the generation beside the live one; the new binaries check it, as the switch will run them."""
    generation = plan.generation
    yield _script("stage", [generation.id, *_rehearsals(plan)], _archive(generation))


@operation()
def call(function: Callable[[Host], None]) -> Step:
    """Run something on the controller for this host, in its turn among the operations."""
    yield FunctionCommand(lambda: function(ctx_host.get()), [], {})


def _script(name: str, arguments: list[str], stdin: str = "") -> FunctionCommand:
    return FunctionCommand(_run, [name, arguments, stdin], {})


def _run(name: str, arguments: list[str], stdin: str) -> None:
    remote.run(ctx_host.get(), name, arguments, stdin)


def _install(artifacts: tuple[Resolved, ...], store: Store) -> None:
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


def fetch(host: Host, paths: list[str]) -> dict[str, bytes]:
    """path → content of those files that are there: one remote command. Raises LgtmError where they are too large."""
    said = remote.run(host, "fetch", paths)
    if said.startswith("too large"):
        raise LgtmError(f"{host.name}: {', '.join(paths)}: {said}, which are not looked into")
    if not said:
        return {}
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(said)), mode="r:gz") as archive:
        files = {f"/{member.name}": archive.extractfile(member) for member in archive}
        return {path: file.read() for path, file in files.items() if file}


def _lines(texts: Any) -> str:
    return "".join(f"{base64.b64encode(text.encode()).decode()}\n" for text in texts)


def read_files(host: Host, paths: list[str]) -> dict[str, str]:
    """The texts of files of the current generation, for a diff: one remote command, none for no paths."""
    if not paths:
        return {}
    lines = remote.run(host, "cat", paths).splitlines()
    return {path: base64.b64decode(line).decode(errors="replace") for path, line in zip(paths, lines, strict=True)}
