"""Reading files of a host: one remote command, whatever their number."""

from __future__ import annotations

import base64
import io
import tarfile

from pyinfra.api.host import Host

from lgtm.host import remote
from lgtm.model.errors import LgtmError


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


def texts(host: Host, paths: list[str]) -> dict[str, str]:
    """path → text of files of the generation in force, for a diff."""
    if not paths:
        return {}
    lines = remote.run(host, "cat", paths).splitlines()
    return {path: base64.b64decode(line).decode(errors="replace") for path, line in zip(paths, lines, strict=True)}
