"""The parsers of the query languages: promtool, and a Loki and a Tempo started for it."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

# Where a query is parsed without any data: Loki formats it, Tempo looks for it in an empty store.
ASK = {"loki": "/loki/api/v1/format_query?query=", "tempo": "/api/search?q="}
PROBE = {"loki": '{a="b"}', "tempo": "{ }"}
START_SECONDS = 60


def promtool(executable: Path, expressions: Iterable[str], folder: Path) -> str:
    """What promtool finds wrong with expressions; empty if nothing is. Each becomes a recording rule."""
    rules = [{"record": f"query:number{n}", "expr": text} for n, text in enumerate(expressions)]
    path = folder / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    command = [str(executable), "check", "rules", "--lint=none", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return run.stderr if run.returncode else ""


@dataclass(frozen=True)
class Server:
    """A Loki or a Tempo that listens on loopback and holds nothing."""

    name: str
    port: int

    def fault(self, expression: str) -> str | None:
        """What it says against a query; None if nothing."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", ASK[self.name] + quote(expression))
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        return None if answer.status == 200 else f"{expression}: {text}"


@contextmanager
def serving(name: str, executable: Path, folder: Path) -> Iterator[Server]:
    """Run `loki` or `tempo` for as long as the block lasts; TimeoutError with its last words if it does not start."""
    http, grpc, gossip = ports(3)
    path, log = folder / f"{name}.yml", folder / f"{name}.log"
    path.write_text(yaml.safe_dump(CONFIGS[name](_major(executable), http, grpc, gossip, folder)))
    with log.open("w") as words:
        process = subprocess.Popen([str(executable), f"-config.file={path}"], cwd=folder, stdout=words, stderr=words)
    try:
        server = Server(name, http)
        _wait(server, process, log)
        yield server
    finally:
        process.kill()
        process.wait()


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if server.fault(PROBE[server.name]) is None:
                return
        except OSError:
            pass  # it does not listen yet
        time.sleep(0.2)
    raise TimeoutError(f"{server.name} does not answer: {log.read_text()[-500:]}")


def _major(executable: Path) -> str:
    """`tempo, version 2.6.1 (branch …` → `2`: 3.x knows other sections than 2.x."""
    run = subprocess.run([str(executable), "-version"], capture_output=True, text=True, timeout=20)
    return (run.stdout + run.stderr).partition("version ")[2].removeprefix("v").partition(".")[0]


def ports(count: int) -> list[int]:
    """Ports of loopback that were free a moment ago, each another."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found: list[int] = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return found


def _listening(http: int, grpc: int) -> Mapping[str, Any]:
    own = "127.0.0.1"
    return {"http_listen_address": own, "http_listen_port": http, "grpc_listen_address": own, "grpc_listen_port": grpc}


def _loki(_major: str, http: int, grpc: int, _gossip: int, folder: Path) -> Mapping[str, Any]:
    period = {"from": "2024-01-01", "store": "tsdb", "object_store": "filesystem", "schema": "v13"}
    return {
        "auth_enabled": False,
        "analytics": {"reporting_enabled": False},
        "server": _listening(http, grpc),
        "common": {
            "path_prefix": str(folder / "loki"),
            "instance_addr": "127.0.0.1",
            "replication_factor": 1,
            "ring": {"kvstore": {"store": "inmemory"}, "instance_addr": "127.0.0.1"},
            "storage": {"filesystem": {"chunks_directory": str(folder / "chunks"), "rules_directory": str(folder)}},
        },
        "schema_config": {"configs": [period | {"index": {"prefix": "index_", "period": "24h"}}]},
    }


def _tempo(major: str, http: int, grpc: int, gossip: int, folder: Path) -> Mapping[str, Any]:
    ring = {"kvstore": {"store": "inmemory"}}
    addressed = {"ring": ring | {"instance_addr": "127.0.0.1"}}
    places = {"wal": {"path": str(folder / "wal")}, "local": {"path": str(folder / "blocks")}}
    parts: Mapping[str, Any] = {
        "2": {
            "ingester": {"lifecycler": {"address": "127.0.0.1", "ring": ring | {"replication_factor": 1}}},
            "compactor": addressed,
        },
        "3": {"live_store": addressed | {"wal": {"path": str(folder / "live")}}},
    }[major]
    return {
        "usage_report": {"reporting_enabled": False},
        "server": _listening(http, grpc),
        "memberlist": {"bind_addr": ["127.0.0.1"], "bind_port": gossip},
        "distributor": addressed,
        "querier": {"frontend_worker": {"frontend_address": f"127.0.0.1:{grpc}"}},
        "storage": {"trace": {"backend": "local"} | places},
        **parts,
    }


CONFIGS = {"loki": _loki, "tempo": _tempo}
