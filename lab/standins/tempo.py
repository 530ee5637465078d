"""A STAND-IN for Grafana Tempo 2.5: not Tempo, but it keeps the spans it is sent as JSON, and gives them back.

It reads Tempo's own configuration file, listens on the same ports and keeps its spans in the directory of the
write-ahead log. It speaks no gRPC and no protocol buffers. A search is conditions joined by `&&`, as our checks and
dashboards ask; TraceQL metrics have no series. Span metrics are written to Mimir; service graphs are not made.
"""

import json
import operator
import re
import struct
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import common
from .common import Config, MutePort, Reply, Request

VERSION = "2.5.0+standin"
LABEL = f"Tempo stand-in, version {VERSION}"
OTLP, GENERATOR = "distributor.receivers.otlp.protocols", "metrics_generator"
PERIOD_SECONDS = 5
KINDS, STATUSES = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"), ("UNSET", "OK", "ERROR")
CONDITION = re.compile(r'\s*([\w.]+)\s*(=~|!~|!=|=|>)\s*(?:"([^"]*)"|(\d+)s|(\w+))\s*(?:&&|$)')
REMOTE_WRITE = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


@dataclass(frozen=True)
class Span:
    """A span: `written` and `resource` as they came, the rest for searches and metrics."""

    written: Mapping[str, Any]
    resource: Mapping[str, Any]

    @property
    def service(self) -> str:
        return str(attributes(self.resource).get("service.name", "unknown_service"))

    @property
    def start(self) -> int:
        return int(self.written["startTimeUnixNano"])

    @property
    def seconds(self) -> float:
        return (int(self.written["endTimeUnixNano"]) - self.start) / 1e9

    @property
    def status(self) -> str:
        return STATUSES[self.written.get("status", {}).get("code", 0)]

    def value(self, field: str) -> Any:
        """Return what a field of a search holds; None where there is nothing."""
        scope, _, key = field.partition(".")
        if scope == "resource":
            return attributes(self.resource).get(key)
        if scope == "span":
            return attributes(self.written).get(key)
        return {"status": self.status.lower(), "duration": self.seconds}[field]


def attributes(holder: Mapping[str, Any]) -> dict[str, str]:
    """Read OTLP's attributes as texts."""
    return {one["key"]: str(*one["value"].values()) for one in holder.get("attributes", ())}


def spans_of(request: Mapping[str, Any]) -> list[Span]:
    """Read an export request."""
    return [
        Span(span, batch.get("resource", {}))
        for batch in request["resourceSpans"]
        for scope in batch["scopeSpans"]
        for span in scope["spans"]
    ]


class Store:
    """The spans by trace, in memory and in a journal of export requests."""

    def __init__(self, folder: Path) -> None:
        self.journal = common.Journal(folder)
        self.traces: dict[str, list[Span]] = defaultdict(list)
        self.received = 0
        for request in self.journal.read():
            self.keep(spans_of(request))

    def add(self, request: Any) -> list[Span]:
        """Take the spans of an export request in."""
        spans = spans_of(request)
        with self.journal.lock:
            self.keep(spans)
            self.journal.append(request)
        self.received += len(spans)
        return spans

    def keep(self, spans: Sequence[Span]) -> None:
        for span in spans:
            self.traces[span.written["traceId"]].append(span)

    def search(self, given: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the latest traces in which all conditions are true of one span. ValueError for other queries."""
        tests = list(conditions(given.get("q", "{}")))
        with self.journal.lock:
            traces = [list(spans) for spans in reversed(self.traces.values())]
        start, end, limit = (int(given.get(name, default)) for name, default in SEARCH.items())
        within = (spans for spans in traces if start <= spans[0].start / 1e9 <= end)
        found = (spans for spans in within if any(all(test(span) for test in tests) for span in spans))
        return [summary(spans) for spans, _ in zip(found, range(limit), strict=False)]


SEARCH = {"start": 0, "end": 2**40, "limit": 20}  # what a search has beside its query, in seconds: defaults


def conditions(query: str) -> Iterator[Callable[[Span], bool]]:
    """Read `{ a = "b" && duration > 1s }`."""
    inside = re.fullmatch(r"\s*\{(.*)\}\s*(\|\s*select\([^)]*\)\s*)?", query)
    at, text = 0, (inside[1] if inside else query).strip()
    while inside and at < len(text) and (found := CONDITION.match(text, at)):
        at = found.end()
        yield condition(*found.groups())
    if not inside or at < len(text):
        raise ValueError(f"the stand-in reads conditions joined by &&, not {query!r}")


def condition(
    field: str, sign: str, wanted: str | None, seconds: str | None, word: str | None
) -> Callable[[Span], bool]:
    """Return a test for one condition."""
    if not re.match(r"(resource|span)\.|status$|duration$", field):
        raise ValueError(f"the stand-in does not know the field {field}")
    if seconds:
        return lambda span: bool(operator.gt(span.value(field), float(seconds)))
    if word == "nil":
        return lambda span: (span.value(field) is None) is (sign == "=")
    pattern = re.compile(wanted if wanted is not None and "~" in sign else re.escape(wanted or word or ""))
    return lambda span: bool(pattern.fullmatch(span.value(field) or "")) is (sign[0] == "=")


def summary(spans: Sequence[Span]) -> dict[str, Any]:
    """Show a trace as a search does."""
    root = next((span for span in spans if not span.written.get("parentSpanId")), spans[0])
    return {
        "traceID": root.written["traceId"],
        "rootServiceName": root.service,
        "rootTraceName": root.written["name"],
        "startTimeUnixNano": str(root.start),
        "durationMs": round(root.seconds * 1000),
    }


class Generator:
    """Calls and latencies of spans, counted since the start, and written to Mimir if there is one."""

    def __init__(self, config: Config) -> None:
        write = config.get(f"{GENERATOR}.storage.remote_write", [{}])[0]
        self.url, self.queue = write.get("url", ""), f'{{remote_name="{write.get("name", "")}"}}'
        self.external = config.get(f"{GENERATOR}.registry.external_labels", {})
        self.dimensions = config.get(f"{GENERATOR}.processor.span_metrics.dimensions", ())
        self.bounds = config.get(f"{GENERATOR}.processor.span_metrics.histogram_buckets", ())
        self.counts: dict[frozenset[tuple[str, str]], float] = defaultdict(float)  # by the labels of a series
        self.spans = self.sent = self.failed = 0
        self.lock = threading.Lock()

    def take(self, spans: Sequence[Span]) -> None:
        """Count spans."""
        with self.lock:
            self.spans += len(spans)
            for span in spans:
                values = attributes(span.resource) | attributes(span.written)
                labels = {re.sub(r"\W", "_", name): values.get(name, "") for name in self.dimensions} | self.external
                labels |= {"service": span.service, "span_name": span.written["name"]}
                labels |= {"span_kind": f"SPAN_KIND_{KINDS[span.written.get('kind', 0)]}"}
                self.observe(labels | {"status_code": f"STATUS_CODE_{span.status}"}, span.seconds)

    def observe(self, labels: Mapping[str, str], seconds: float) -> None:
        buckets = [(f"{bound:g}", seconds <= bound) for bound in self.bounds] + [("+Inf", True)]
        counted = {("calls_total", ""): 1.0, ("latency_sum", ""): seconds, ("latency_count", ""): 1.0}
        for (name, le), value in {**counted, **{("latency_bucket", le): float(is_in) for le, is_in in buckets}}.items():
            series = {**labels, "__name__": f"traces_spanmetrics_{name}", "le": le}
            self.counts[frozenset((name, text) for name, text in series.items() if text)] += value

    def send(self) -> None:
        """Write all series once. What is not taken now is sent again with the next, since counts only grow."""
        now = time.time_ns() // 10**6
        with self.lock:
            series = [encoded(dict(labels), value, now) for labels, value in self.counts.items()]
        if not series or not self.url:
            return
        status = common.fetch(self.url, snappy(b"".join(series)), REMOTE_WRITE).status
        self.sent += len(series) * (status // 100 == 2)
        self.failed += len(series) * (status // 100 == 4)

    def metrics(self) -> dict[str, float]:
        """Return its own counts under Tempo's names."""
        return {
            "tempo_metrics_generator_spans_received_total": self.spans,
            "tempo_metrics_generator_registry_active_series": len(self.counts),
            f"prometheus_remote_storage_samples_total{self.queue}": self.sent,
            f"prometheus_remote_storage_samples_failed_total{self.queue}": self.failed,
        }


def encoded(labels: Mapping[str, str], value: float, milliseconds: int) -> bytes:
    """Write a series of one sample as a remote write request has it, in protocol buffers."""
    pairs = (part(1, name.encode()) + part(2, text.encode()) for name, text in sorted(labels.items()))
    sample = b"\x09" + struct.pack("<d", value) + b"\x10" + number(milliseconds)
    return part(1, b"".join(part(1, pair) for pair in pairs) + part(2, sample))


def number(value: int) -> bytes:
    return bytes([value & 127 | 128]) + number(value >> 7) if value > 127 else bytes([value])


def part(field: int, data: bytes) -> bytes:
    return number(field << 3 | 2) + number(len(data)) + data


def snappy(data: bytes) -> bytes:
    """Frame bytes as a snappy block of literals, which is no smaller."""
    chunks = (data[at : at + 65536] for at in range(0, len(data), 65536))
    return number(len(data)) + b"".join(b"\xf4" + struct.pack("<H", len(chunk) - 1) + chunk for chunk in chunks)


def run(config: Config) -> int:
    """Serve until told to stop."""
    stopping, store = common.stopped(), Store(Path(config.get("storage.trace.wal.path")))
    generator = Generator(config)

    def receive(request: Request) -> Reply:
        if (request.method, request.path) != ("POST", "/v1/traces"):
            return common.NOT_FOUND
        try:
            generator.take(store.add(json.loads(request.body)))
        except (LookupError, TypeError, ValueError) as error:
            return common.text(f"no spans that the stand-in can read: {error!r}", 400)
        return common.as_json({"partialSuccess": {}})

    def answer(request: Request) -> Reply:
        path = request.path
        if path == "/metrics":
            received = {"tempo_distributor_spans_received_total": store.received}
            return common.metrics({f'tempo_build_info{{version="{VERSION}"}}': 1} | received | generator.metrics())
        if path == "/api/search":
            try:
                return common.as_json({"traces": store.search(request.query), "metrics": {}})
            except ValueError as error:
                return common.text(str(error), 400)
        if path == "/api/metrics/query_range":
            keeps = "local-blocks" in config.get(f"overrides.defaults.{GENERATOR}.processors", ())
            nothing = common.as_json({"series": [], "metrics": {}})
            return nothing if keeps else common.text("localblocks processor not found", 500)
        if path.startswith("/api/traces/"):
            spans = store.traces.get(path.rpartition("/")[2], ())
            shown = [{"resource": one.resource, "scopeSpans": [{"spans": [one.written]}]} for one in spans]
            return common.as_json({"batches": shown}) if shown else Reply(404, b"")
        pages = {"/": LABEL, "/ready": "ready", "/api/echo": "echo", "/status/config": config.text}
        return common.text(pages[path]) if path in pages else common.NOT_FOUND

    http, otlp = (common.address(str(config.get(f"{OTLP}.{name}.endpoint"))) for name in ("http", "grpc"))
    servers = (common.Server(config.address("http"), answer), common.Server(http, receive))
    common.serve(*servers, MutePort(config.address("grpc")), MutePort(otlp))
    while not stopping.wait(PERIOD_SECONDS):
        generator.send()
    return 0


if __name__ == "__main__":
    sys.exit(common.main(LABEL, "config.verify", run))
