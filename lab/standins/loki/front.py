"""Loki's ports: lines come in and questions are answered on one, the other is mute."""

import gzip
import hashlib
import json
from urllib.parse import parse_qs, urlsplit

from ..common.http import JSON, HttpPort, Quiet, Texts
from ..common.runtime import Runtime
from . import LABEL, VERSION, query
from .config import Config
from .query import Parameters
from .store import Store

TENANT = 'tenant="fake"'
DISCARDED = f'loki_discarded_samples_total{{reason="greater_than_max_sample_age",{TENANT}}}'


class Front(HttpPort):
    """The HTTP port."""

    def __init__(self, config: Config, store: Store, runtime: Runtime) -> None:
        super().__init__(config.http, Handler)
        self.config, self.store, self.runtime = config, store, runtime


class Handler(Quiet, Texts):
    """Answers under Loki's paths."""

    server: Front
    server_version = f"Loki-stand-in/{VERSION}"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.page(parts.path, parts.query)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/loki/api/v1/push":
            self.push(body)
        else:
            self.page(urlsplit(self.path).path, body.decode())

    def page(self, path: str, given: str) -> None:
        """Show a page, or answer a question."""
        texts = {"/ready": "ready", "/": LABEL, "/config": self.server.config.text}
        if path in texts:
            self.answer(200, texts[path])
        elif path == "/runtime_config":
            self.answer(200, self.server.runtime.text)
        elif path == "/metrics":
            self.answer(200, "\n".join(f"{series} {value}" for series, value in self.metrics().items()))
        elif path == "/loki/api/v1/status/buildinfo":
            self.json({"version": VERSION, "branch": "stand-in"})
        elif path == "/prometheus/api/v1/rules":
            self.json({"status": "success", "data": query.rules(self.server.store, self.server.config.rules)})
        elif path.startswith("/loki/api/v1/"):
            self.question(path.removeprefix("/loki/api/v1/"), Parameters(parse_qs(given)))
        else:
            self.answer(404, "404 page not found")

    def push(self, body: bytes) -> None:
        """Take lines in, whole or not at all."""
        kind = self.headers.get("Content-Type", "").partition(";")[0]
        if kind != JSON:
            self.answer(400, f"the stand-in takes {JSON} only, not {kind!r}")
            return
        try:
            plain = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            self.server.store.push(json.loads(plain)["streams"])
        except (AttributeError, EOFError, IndexError, KeyError, OSError, TypeError, ValueError) as error:
            self.answer(400, f"not taken: {error}")
        else:
            self.send(204, b"", JSON)

    def question(self, name: str, given: Parameters) -> None:
        """Answer a question about the lines; 400 for what is not understood."""
        try:
            data = query.answer(self.server.store, name, given)
        except ValueError as error:
            self.answer(400, str(error))
        else:
            self.json({"status": "success", **({"data": data} if data else {})})  # an empty Loki leaves it out

    def metrics(self) -> dict[str, float]:
        """Give counts under Loki's names."""
        store, runtime = self.server.store, self.server.runtime
        digest = hashlib.sha256(runtime.text.encode()).hexdigest()
        return {
            f'loki_build_info{{version="{VERSION}"}}': 1,
            f"loki_distributor_lines_received_total{{{TENANT}}}": store.received,
            f"loki_distributor_bytes_received_total{{{TENANT}}}": store.received_bytes,
            DISCARDED: store.discarded,
            f"loki_ingester_memory_streams{{{TENANT}}}": len(store.streams),
            'loki_ring_members{name="ingester",state="ACTIVE"}': 1,
            'loki_runtime_config_last_reload_successful{config="loki"}': float(runtime.healthy),
            f'loki_runtime_config_hash{{config="loki",sha256="{digest}"}}': 1,
        }

    def sized(self, status: int) -> bool:
        """Tell whether a response says how long it is: all but those to a push, which have nothing in them."""
        return status != 204
