"""What comes over the network, and files that are whole or not there."""

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
    """A URL did not give what was asked of it; whoever asked knows whether that matters."""


@contextmanager
def ask(url: str) -> Iterator[http.client.HTTPResponse]:
    """Open a URL, or raise Unobtainable; a server that did not answer is not asked again in this process."""
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
    """Give a file to write, which is renamed once it is whole; what was not renamed is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(".part", f"{name}.", folder)
    os.close(handle)
    try:
        yield Path(part)
    finally:
        Path(part).unlink(missing_ok=True)
