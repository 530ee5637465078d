"""Reads files of a host: one remote command for any number of files."""

from __future__ import annotations

import base64
import io
import tarfile

from pyinfra.api.host import Host

from lgtm.host import remote
from lgtm.model.errors import LgtmError


def fetch(host: Host, paths: list[str]) -> dict[str, bytes]:
    """Give path → content of the files that exist: one remote command. Raises LgtmError when they are too large."""
    output = remote.run(host, "fetch", paths)
    if output.startswith("too large"):
        raise LgtmError(f"{host.name}: {', '.join(paths)}: {output}; they are not read")
    if not output:
        return {}
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(output)), mode="r:gz") as archive:
        files = {f"/{member.name}": archive.extractfile(member) for member in archive}
        return {path: file.read() for path, file in files.items() if file}


def texts(host: Host, paths: list[str]) -> dict[str, str]:
    """Give path → text of files of the generation in force, for a diff."""
    if not paths:
        return {}
    lines = remote.run(host, "cat", paths).splitlines()
    return {path: base64.b64decode(line).decode(errors="replace") for path, line in zip(paths, lines, strict=True)}
