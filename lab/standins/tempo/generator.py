"""What Tempo's metrics generator makes of spans, written to Mimir: span metrics and service graphs."""

import re
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from . import protobuf
from .config import Config
from .spans import Span

PERIOD_SECONDS = 5
CALLS, LATENCY, GRAPH = "traces_spanmetrics_calls_total", "traces_spanmetrics_latency", "traces_service_graph_request"
HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


class Generator:
    """Counts since the start, and what became of sending them. Nothing is made where nothing is to be sent."""

    def __init__(self, config: Config) -> None:
        self.config, self.lock = config, threading.Lock()
        self.spans = self.sent = self.failed = self.retried = 0
        self.counts: dict[frozenset[tuple[str, str]], float] = defaultdict(float)  # by a series' labels

    def take(self, spans: Sequence[Span], traces: Mapping[str, Sequence[Span]]) -> None:
        """Count spans; `traces` has for each of their traces all its spans so far."""
        if not self.config.push:
            return
        with self.lock:
            self.spans += len(spans)
            if "span-metrics" in self.config.processors:
                for span in spans:
                    labels = self._labels(span)
                    self._count(CALLS, labels)
                    self._observe(LATENCY, labels, span)
            if "service-graphs" in self.config.processors:
                for edge in {edge for span in spans for edge in edges(span, traces[span.trace])}:
                    self._call(edge, {span.id: span for trace in traces.values() for span in trace})

    def follow(self, stopping: threading.Event) -> None:
        """Send every period until stopped."""
        while not stopping.wait(PERIOD_SECONDS):
            now = time.time_ns() // 10**6
            with self.lock:
                series = [protobuf.series(dict(labels), value, now) for labels, value in self.counts.items()]
            if series and self.config.push:
                self._send(self.config.push, series)

    def _labels(self, span: Span) -> dict[str, str]:
        values = {**span.resource, **span.attributes}
        more = {re.sub(r"\W", "_", name): str(values.get(name, "")) for name in self.config.dimensions}
        kind, status = f"SPAN_KIND_{span.kind}", f"STATUS_CODE_{span.status}"
        return {**more, "service": span.service, "span_name": span.name, "span_kind": kind, "status_code": status}

    def _call(self, edge: tuple[str, str], spans: Mapping[str, Span]) -> None:
        client, server = spans[edge[0]], spans[edge[1]]
        labels = {"client": client.service, "server": server.service}
        self._count(f"{GRAPH}_total", labels)
        self._count(f"{GRAPH}_failed_total", labels, int("ERROR" in (client.status, server.status)))
        self._observe(f"{GRAPH}_client_seconds", labels, client)
        self._observe(f"{GRAPH}_server_seconds", labels, server)

    def _count(self, name: str, labels: Mapping[str, str], value: float = 1) -> None:
        self.counts[frozenset({**labels, **self.config.labels, "__name__": name}.items())] += value

    def _observe(self, name: str, labels: Mapping[str, str], span: Span) -> None:
        self._count(f"{name}_sum", labels, span.seconds)
        self._count(f"{name}_count", labels)
        for bound in (*self.config.buckets, float("inf")):
            le = "+Inf" if bound == float("inf") else f"{bound:g}"
            self._count(f"{name}_bucket", {**labels, "le": le}, int(span.seconds <= bound))

    def _send(self, url: str, series: Sequence[bytes]) -> None:
        """Send once: what is not taken now is sent again with the next, since counts only grow."""
        request = urllib.request.Request(url, protobuf.snappy(b"".join(series)), HEADERS)
        try:
            urllib.request.urlopen(request, timeout=10).close()
            self.sent += len(series)
        except OSError as error:
            if isinstance(error, urllib.error.HTTPError) and error.code < 500:
                self.failed += len(series)
            else:
                self.retried += len(series)
            print(f"remote write to {url}: {error}", file=sys.stderr, flush=True)


def edges(span: Span, trace: Iterable[Span]) -> Iterable[tuple[str, str]]:
    """The calls a span has one end of: the client's span and the server's, which is its child."""
    for other in trace:
        client, server = (span, other) if span.kind == "CLIENT" else (other, span)
        if (client.kind, server.kind, server.parent) == ("CLIENT", "SERVER", client.id):
            yield client.id, server.id
