"""What the stand-ins share: reading a configuration, an HTTP server, a Go program's command line, the runtime file."""

import json
import signal
import socketserver
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from hashlib import sha256
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import yaml

Address = tuple[str, int]
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
REQUIRED = object()


class ConfigError(Exception):
    """What is wrong with a configuration, in one sentence."""


@dataclass(frozen=True)
class Config:
    """A YAML file: its text, and its values by dotted keys."""

    text: str
    tree: Mapping[str, Any]

    def get(self, key: str, default: Any = REQUIRED) -> Any:
        """Return the value of a dotted key. ConfigError if it is missing and there is no default."""
        value: Any = self.tree
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is None and default is REQUIRED:
            raise ConfigError(f"{key} must be given")
        return default if value is None else value

    def address(self, name: str) -> Address:
        """Return the address of a server: `http` or `grpc`."""
        return str(self.get(f"server.{name}_listen_address")), int(self.get(f"server.{name}_listen_port"))


def read(path: Path) -> Config:
    """Read a YAML file. ConfigError if it is no mapping."""
    text = path.read_text()
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise ConfigError("the top level is not a mapping")
    return Config(text, tree)


def address(written: str) -> Address:
    """Split `host:port`. ConfigError if it is none."""
    host, _, port = written.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(f"not an address with a port: {written!r}")
    return host, int(port)


class Request(NamedTuple):
    """A request; `query` holds the values of its URL and of a form, `target` the URL's path with its query."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Message
    body: bytes
    target: str


class Reply(NamedTuple):
    """An answer."""

    status: int
    content: bytes
    kind: str = "text/plain; charset=utf-8"


NOT_FOUND = Reply(404, b"404 page not found\n")


def text(content: str, status: int = 200) -> Reply:
    """Answer with text."""
    return Reply(status, content.encode() + b"\n")


def as_json(value: Any, status: int = 200) -> Reply:
    """Answer with JSON."""
    return Reply(status, json.dumps(value).encode(), JSON)


def metrics(samples: Mapping[str, float]) -> Reply:
    """Answer with samples in Prometheus' format."""
    return text("\n".join(f"{series} {value:.17g}" for series, value in samples.items()))


class Server(ThreadingHTTPServer):
    """An HTTP port; `answer` is called in a thread for each request."""

    daemon_threads = True
    request_queue_size = 128
    server_bind = socketserver.TCPServer.server_bind  # HTTPServer's own version asks DNS for a name

    def __init__(self, address: Address, answer: Callable[[Request], Reply]) -> None:
        super().__init__(address, Handler)
        self.answer = answer


class Handler(BaseHTTPRequestHandler):
    """Reads a request, and sends the whole answer."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url, body = urlsplit(self.path), self.rfile.read(int(self.headers.get("Content-Length", 0)))
        form = body.decode() if self.headers.get("Content-Type", "").startswith(FORM) else ""
        query = dict(parse_qsl(f"{url.query}&{form}"))
        reply = self.server.answer(Request(self.command, url.path, query, self.headers, body, self.path))
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(reply.content)))
        self.end_headers()
        self.wfile.write(reply.content)

    do_POST = do_GET

    def log_request(self, *_: object) -> None:
        """Log nothing."""


def fetch(url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, method: str = "") -> Reply:
    """Send a request, and return the answer; its status is 0 if nobody answers."""
    request = urllib.request.Request(url, body, dict(headers or {}), method=method or None)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Reply(answer.status, answer.read(), answer.headers.get("Content-Type", ""))
    except urllib.error.HTTPError as error:
        return Reply(error.code, error.read(), error.headers.get("Content-Type", ""))
    except (OSError, HTTPException) as error:
        return Reply(0, str(error).encode())


class MutePort(socketserver.ThreadingTCPServer):
    """A port for gRPC: it is taken, and nobody is answered."""

    allow_reuse_address = True

    def __init__(self, address: Address) -> None:
        super().__init__(address, socketserver.BaseRequestHandler)


def serve(*ports: socketserver.BaseServer) -> None:
    """Serve each port in a thread of its own."""
    for port in ports:
        threading.Thread(target=port.serve_forever, daemon=True).start()


class Journal:
    """A file with a JSON value in each line. `lock` is for its owner, whose requests come in threads."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self.lock = folder / "standin.jsonl", threading.Lock()
        self.file = self.path.open("a")
        self.file.write("\n")  # ends what was not written whole

    def read(self) -> Iterator[Any]:
        """Return what was written whole: a process that is killed leaves a part of its last line."""
        for line in self.path.read_text().splitlines():
            with suppress(ValueError):
                yield json.loads(line)

    def append(self, value: Any) -> None:
        """Write a value; it is in the file when this returns."""
        self.file.write(json.dumps(value) + "\n")
        self.file.flush()


class Runtime:
    """The runtime file, read again every period. After a bad one the last good one stays in force."""

    def __init__(self, config: Config) -> None:
        self.path, self.text, self.healthy = Path(config.get("runtime_config.file")), "", True
        self.text = read(self.path).text
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self) -> None:
        while True:
            time.sleep(1)
            try:
                self.text, self.healthy = read(self.path).text, True
            except (ConfigError, OSError) as error:
                self.healthy = False
                print(f"runtime file not reloaded: {error}", file=sys.stderr, flush=True)

    def metrics(self, prefix: str, config: str) -> dict[str, float]:
        """Return the metrics that say which file is in force."""
        digest = sha256(self.text.encode()).hexdigest()
        return {
            f"{prefix}_runtime_config_last_reload_successful": float(self.healthy),
            f'{prefix}_runtime_config_hash{{config="{config}",sha256="{digest}"}}': 1,
        }


def stopped() -> threading.Event:
    """Return an event that is set once the process is told to stop."""
    event = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: event.set())
    return event


def main(label: str, verify: str, run: Callable[[Config], int]) -> int:
    """Run with the flags of a Go program: `-config.file=F` alone, with `verify`, or `-version`.

    Return 0 on success, 1 for a bad configuration or a taken port, 2 for an unknown flag.
    """
    given = flags(sys.argv[1:])
    if unknown := sorted(given.keys() - {"config.file", verify, "version"}):
        return complain(f"{label}: flag provided but not defined: -{unknown[0]}", 2)
    if "version" in given:
        print(label)
        return 0
    try:
        config = read(Path(given.get("config.file", "")))
        config.address("http"), config.address("grpc")
        if verify not in given:
            return run(config)
        return complain(f"{label}: this is YAML; only the real program knows whether it is a valid configuration", 0)
    except (ConfigError, OSError) as error:
        return complain(f"{label}: {given.get('config.file')}: {error}", 1)


def flags(words: Sequence[str]) -> dict[str, str]:
    """Read `-name=value` and `--name`."""
    pairs = (word.lstrip("-").partition("=") for word in words)
    return {name: value for name, _, value in pairs}


def complain(sentence: str, code: int) -> int:
    """Write to standard error, and return the exit code."""
    print(sentence, file=sys.stderr, flush=True)
    return code
