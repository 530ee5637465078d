"""Tempo's ports: spans come in on one, questions on another, and two are mute."""

import gzip
import json
from urllib.parse import parse_qsl, urlsplit

import yaml

from ..common.http import JSON, Address, HttpPort, Quiet, Texts
from . import LABEL, VERSION, protobuf, spans
from .config import Config
from .generator import Generator
from .search import SearchError, rate, search, tags
from .spans import Span
from .store import Store

PROTOBUF = "application/x-protobuf"
TENANT = '{tenant="single-tenant"}'


class Front(HttpPort):
    """A port that speaks HTTP."""

    def __init__(self, address: Address, handler: type["Handler"], config: Config, store: Store, made: Generator):
        super().__init__(address, handler)
        self.config, self.store, self.generator = config, store, made


class Handler(Quiet, Texts):
    """What both ports share."""

    server: Front
    server_version = f"Tempo-stand-in/{VERSION}"


class Receiver(Handler):
    """OTLP over HTTP."""

    def do_GET(self) -> None:
        self.answer(405, "405 method not allowed, supported: [POST]")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind = self.headers.get("Content-Type", "").partition(";")[0]
        if self.path != "/v1/traces":
            self.answer(404, "404 page not found")
        elif kind not in (JSON, PROTOBUF):
            self.answer(415, f"the stand-in takes {JSON} and {PROTOBUF}, not {kind!r}")
        else:
            self.take(body, kind)

    def take(self, body: bytes, kind: str) -> None:
        """Take spans in, whole or not at all."""
        store = self.server.store
        try:
            plain = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            found = store.add(protobuf.decode(plain) if kind == PROTOBUF else json.loads(plain), len(plain))
        except (AttributeError, EOFError, LookupError, OSError, TypeError, ValueError) as error:
            self.answer(400, f"there are no spans in that, or none the stand-in can read: {error!r}")
            return
        self.server.generator.take(found, {span.trace: store.trace(span.trace) for span in found})
        self.send(200, b"" if kind == PROTOBUF else b'{"partialSuccess":{}}', kind)


class Questions(Handler):
    """Tempo's own port."""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        pages = {"/ready": "ready", "/api/echo": "echo", "/": LABEL, "/status/version": LABEL}
        makers = {"/metrics": self.metrics, "/status/config": self.config, "/api/status/buildinfo": self.build}
        if path in pages:
            self.answer(200, pages[path])
        elif path in makers:
            makers[path]()
        elif path.startswith(("/api/traces/", "/api/v2/traces/")):
            self.trace(path)
        elif path.startswith("/api/"):
            self.search(path)
        else:
            self.answer(404, "404 page not found")

    def trace(self, path: str) -> None:
        """Show one trace."""
        name = path.rpartition("/")[2].lower()
        if not name or set(name) - set("0123456789abcdef"):
            self.answer(400, f"trace IDs can only contain hex characters: {name!r}")
        elif "protobuf" in self.headers.get("Accept", ""):
            self.answer(400, "the stand-in shows traces as JSON only")
        elif not (found := self.server.store.trace(name.rjust(32, "0"))):
            self.send(404, b"", JSON)
        else:
            batches = spans.shown(found)
            self.json({"trace": {"resourceSpans": batches}} if "/v2/" in path else {"batches": batches})

    def search(self, path: str) -> None:
        """Answer a search, or name the attributes there are."""
        traces = self.server.store.everything()
        try:
            if path == "/api/search":
                self.json(search(traces, dict(parse_qsl(urlsplit(self.path).query))))
            elif path == "/api/search/tags":
                self.json(tags(traces))
            elif path == "/api/metrics/query_range":
                self.rate(traces)
            else:
                raise SearchError(f"the stand-in cannot do {path}")
        except SearchError as error:
            self.answer(400, str(error))

    def rate(self, traces: list[list[Span]]) -> None:
        """Count spans over time, where the generator has been told to keep what that is made of."""
        given = dict(parse_qsl(urlsplit(self.path).query))
        if traces and "local-blocks" not in self.server.config.processors:
            self.answer(500, "localblocks processor not found")
        else:
            self.json(rate(traces, given))

    def config(self) -> None:
        """Show the configuration as it was read: four spaces a level, as Tempo does."""
        self.answer(200, "---\n" + yaml.safe_dump(dict(self.server.config.tree), indent=4))

    def build(self) -> None:
        """Say which version this stands in for."""
        self.json({"version": VERSION, "branch": "stand-in"})

    def metrics(self) -> None:
        """Show counts under Tempo's names."""
        store, made = self.server.store, self.server.generator
        queue = f'{{remote_name="{self.server.config.remote_name}",tenant="single-tenant"}}'
        lines = {
            f'tempo_build_info{{version="{VERSION}"}}': 1,
            f"tempo_distributor_spans_received_total{TENANT}": store.received,
            f"tempo_distributor_bytes_received_total{TENANT}": store.received_bytes,
            f"tempo_metrics_generator_spans_received_total{TENANT}": made.spans,
            f"tempo_metrics_generator_registry_active_series{TENANT}": len(made.counts),
            f"prometheus_remote_storage_samples_total{queue}": made.sent,
            f"prometheus_remote_storage_samples_failed_total{queue}": made.failed,
            f"prometheus_remote_storage_samples_retried_total{queue}": made.retried,
        }
        self.answer(200, "\n".join(f"{series} {value}" for series, value in lines.items()))
