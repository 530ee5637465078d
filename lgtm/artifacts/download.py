"""Downloads, and files that are complete or do not exist."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from lgtm.model.errors import LgtmError

CONNECT_SECONDS = 3
STALL_SECONDS = 30
_silent: set[str] = set()


class Unobtainable(LgtmError):
    """A URL could not be read; the caller decides whether that is an error."""


@contextmanager
def ask(url: str) -> Iterator[http.client.HTTPResponse]:
    """Open a URL. Raises Unobtainable; a server that did not answer once is not asked again by this process."""
    parts = urlsplit(url)
    server, host = parts.netloc, str(parts.hostname)
    if server in _silent:
        raise Unobtainable(f"{server} did not answer before")
    try:
        if parts.scheme not in urllib.request.getproxies() or urllib.request.proxy_bypass(host):
            port = parts.port or {"http": 80}.get(parts.scheme, 443)
            socket.create_connection((host, port), CONNECT_SECONDS).close()
        response = urllib.request.urlopen(url, timeout=STALL_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        raise Unobtainable(f"{url} answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        _silent.add(server)
        raise Unobtainable(f"{server} did not answer ({getattr(error, 'reason', error)})") from error
    try:
        with response:
            yield response
    except (ConnectionError, TimeoutError, ssl.SSLError, http.client.HTTPException) as error:
        raise Unobtainable(f"{url} broke off ({error})") from error


@contextmanager
def unfinished(folder: Path, name: str) -> Iterator[Path]:
    """Give a temporary file to write and rename; it is removed if it was not renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(".part", f"{name}.", folder)
    os.close(handle)
    try:
        yield Path(part)
    finally:
        Path(part).unlink(missing_ok=True)
