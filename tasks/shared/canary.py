"""Canaries: a log line and a span with a random id, written and read back to test the whole path."""

from __future__ import annotations

import json
import secrets
import time
from urllib.parse import quote

from lgtm.task import Answer, Bad, Check, NotYet, Site, Write, body_of, data_of

SERVICE = "lgtm-canary"  # the service name of both
SETTLES = 15  # maximum seconds until what was written can be read back
TRACE, SPAN = secrets.token_hex(16), secrets.token_hex(8)  # of this run


def line(site: Site) -> Check:
    """Loki accepts a log line and returns it."""
    now = str(time.time_ns())
    stream = {"stream": {"service": SERVICE}, "values": [[now, json.dumps({"message": "a canary", "trace_id": TRACE})]]}
    query = quote(f'{{service="{SERVICE}"}} |= "{TRACE}"', safe="")
    return Check(
        id="loki.canary", title="A log line written to Loki can be read back",
        url=site.url("loki", f"/loki/api/v1/query_range?since=1h&limit=1&query={query}"), judge=_line,
        remedy="journalctl -u lgtm-loki -n 50; usual cause: /data/loki is full or not readable, or a limit is reached",
        write=Write(site.url("loki", "/loki/api/v1/push"), json.dumps({"streams": [stream]})),
        slow=True, settles=SETTLES,
    )  # fmt: skip


def span(site: Site) -> Check:
    """Tempo accepts a span and returns it."""
    return Check(
        id="tempo.canary", title="A span sent to Tempo can be read back",
        url=site.url("tempo", f"/api/traces/{TRACE}"), judge=_span,
        remedy="journalctl -u lgtm-tempo -n 50; usual cause: /data/tempo is full or not readable",
        write=Write(f"http://{site.target('tempo', 'otlp_http')}/v1/traces", _otlp()), slow=True, settles=SETTLES,
    )  # fmt: skip


def span_metrics(site: Site) -> list[Check]:
    """The metrics that Tempo generates from spans are in Mimir; no check without Mimir."""
    if not site.the("mimir"):
        return []
    query = quote("sum(last_over_time(traces_spanmetrics_calls_total[15m]))", safe="")
    return [
        Check(
            id="tempo.span_metrics", title="Metrics generated from spans are in Mimir",
            url=site.url("mimir", f"/prometheus/api/v1/query?query={query}", site.the("mimir")), judge=_spans,
            remedy="journalctl -u lgtm-tempo -g remote; see tempo.generator",
            gate="peer", patience=120, slow=True, settles=60,
        )
    ]  # fmt: skip


def _otlp() -> str:
    now = time.time_ns()
    canary = {
        "traceId": TRACE, "spanId": SPAN, "name": "canary", "status": {"code": 1},
        "kind": 1,  # internal, because a server span without a caller would appear in the service map
        "startTimeUnixNano": str(now - 10_000_000), "endTimeUnixNano": str(now),
    }  # fmt: skip
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": SERVICE}}]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [canary]}]}]})


def _line(answer: Answer) -> str:
    lines = [text for stream in data_of(answer)["result"] for _, text, *_ in stream["values"]]
    if not any(TRACE in text for text in lines):
        raise NotYet("Loki accepted the line, but does not return it")
    return "read back"


def _span(answer: Answer) -> str:
    if answer.status == 404:
        raise NotYet("Tempo accepted the span, but does not return it")
    if SERVICE not in body_of(answer):
        raise Bad(f"HTTP 200, without the span: {answer.body[:120]}")
    return "read back"


def _spans(answer: Answer) -> str:
    result = data_of(answer)["result"]
    if not result:
        raise NotYet("no span metric in the last 15 minutes")
    return f"{float(result[0]['value'][1]):.0f} calls counted"
