"""A line and a span that nobody else writes: what is read back of them has gone the whole way."""

from __future__ import annotations

import json
import secrets
import time
from urllib.parse import quote

from lgtm.task import Answer, Bad, Check, NotYet, Site, Write, body_of, data_of

SERVICE = "lgtm-canary"  # the service that both are of
SETTLES = 15  # seconds until a store must give back what it was given
TRACE, SPAN = secrets.token_hex(16), secrets.token_hex(8)  # of this run


def line(site: Site) -> Check:
    """A line is taken in by Loki, and given back."""
    now = str(time.time_ns())
    stream = {"stream": {"service": SERVICE}, "values": [[now, json.dumps({"message": "a canary", "trace_id": TRACE})]]}
    query = quote(f'{{service="{SERVICE}"}} |= "{TRACE}"', safe="")
    return Check(
        "loki.canary", "A line that is written to Loki can be read back",
        site.url("loki", f"/loki/api/v1/query_range?since=1h&limit=1&query={query}"), _line,
        "journalctl -u lgtm-loki -n 50; a full or unreadable /data/loki, or a limit, is the usual cause",
        write=Write(site.url("loki", "/loki/api/v1/push"), json.dumps({"streams": [stream]})),
        slow=True, settles=SETTLES,
    )  # fmt: skip


def span(site: Site) -> Check:
    """A span is taken in by Tempo, and given back."""
    return Check(
        "tempo.canary", "A span that is sent to Tempo can be read back",
        site.url("tempo", f"/api/traces/{TRACE}"), _span,
        "journalctl -u lgtm-tempo -n 50; a full or unreadable /data/tempo is the usual cause",
        write=Write(f"http://{site.target('tempo', 'otlp_http')}/v1/traces", _otlp()), slow=True, settles=SETTLES,
    )  # fmt: skip


def span_metrics(site: Site) -> list[Check]:
    """The metrics that Tempo makes of spans are in Mimir; no check where there is no Mimir."""
    if not site.the("mimir"):
        return []
    query = quote("sum(last_over_time(traces_spanmetrics_calls_total[15m]))", safe="")
    return [
        Check(
            "tempo.span_metrics", "What Tempo makes of spans is in Mimir",
            site.url("mimir", f"/prometheus/api/v1/query?query={query}", site.the("mimir")), _spans,
            "journalctl -u lgtm-tempo -g remote; see tempo.generator", "peer", patience=120, slow=True, settles=60,
        )
    ]  # fmt: skip


def _otlp() -> str:
    now = time.time_ns()
    told = {
        "traceId": TRACE, "spanId": SPAN, "name": "canary", "status": {"code": 1},
        "kind": 1,  # internal: a server without a caller would be in the service map
        "startTimeUnixNano": str(now - 10_000_000), "endTimeUnixNano": str(now),
    }  # fmt: skip
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": SERVICE}}]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [told]}]}]})


def _line(answer: Answer) -> str:
    lines = [text for stream in data_of(answer)["result"] for _, text, *_ in stream["values"]]
    if not any(TRACE in text for text in lines):
        raise NotYet("the line has been taken, but cannot be found")
    return "read back"


def _span(answer: Answer) -> str:
    if answer.status == 404:
        raise NotYet("the span has been taken, but cannot be found")
    if SERVICE not in body_of(answer):
        raise Bad(f"HTTP 200, without the span: {answer.body[:120]}")
    return "read back"


def _spans(answer: Answer) -> str:
    found = data_of(answer)["result"]
    if not found:
        raise NotYet("no metric of a span in the last 15 minutes")
    return f"{float(found[0]['value'][1]):.0f} calls counted"
