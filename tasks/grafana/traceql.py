"""TraceQL metrics: whether Tempo makes them, asked the way that people ask, which is through Grafana."""

from __future__ import annotations

import time
from urllib.parse import quote

from lgtm.task import Answer, Bad, Check, Site, body_of

from ..shared import canary
from . import datasources

OWN = (canary.SERVICE, "prometheus")  # services whose spans are the stack's own
QUERY = "{ } | rate()"


def checks(site: Site) -> list[Check]:
    """One query over the last quarter of an hour; no check where there is no Tempo."""
    if not site.the("tempo"):
        return []
    now = int(time.time())
    asked = f"q={quote(QUERY, safe='')}&start={now - 900}&end={now}&step=60"
    return [
        Check(
            "grafana.traceql_metrics", "Grafana gets TraceQL metrics from Tempo",
            site.url("grafana", f"{datasources.proxied('tempo')}/api/metrics/query_range?{asked}"), _series,
            "journalctl -u lgtm-tempo -g 'localblocks|local-blocks|query_range' on Tempo's host", "peer", 60,
        )
    ]  # fmt: skip


def _series(answer: Answer) -> str:
    """Without a span there is no series, which is no error."""
    body_of(answer)
    found = answer.json()
    if "metrics" not in found and "series" not in found:
        raise Bad(f"HTTP 200, but {answer.body[:200]!r}")
    return f"{len(found.get('series') or ())} series"
