"""TraceQL metrics: a check that Tempo generates them, through Grafana as for a person."""

from __future__ import annotations

import time
from urllib.parse import quote

from lgtm.task import Answer, Bad, Check, Site, body_of

from ..shared import canary
from . import datasources

OWN = (canary.SERVICE, "prometheus")  # services whose spans belong to the stack itself
QUERY = "{ } | rate()"


def checks(site: Site) -> list[Check]:
    """One query of the last 15 minutes; no check without Tempo."""
    if not site.the("tempo"):
        return []
    now = int(time.time())
    query = f"q={quote(QUERY, safe='')}&start={now - 900}&end={now}&step=60"
    return [
        Check(
            id="grafana.traceql_metrics", title="Grafana gets TraceQL metrics from Tempo",
            url=site.url("grafana", f"{datasources.proxied('tempo')}/api/metrics/query_range?{query}"), judge=_series,
            remedy="journalctl -u lgtm-tempo -g 'localblocks|local-blocks|query_range' on Tempo's host",
            gate="peer", patience=60,
        )
    ]  # fmt: skip


def _series(answer: Answer) -> str:
    """No series is no error: there may be no spans."""
    body_of(answer)
    result = answer.json()
    if "metrics" not in result and "series" not in result:
        raise Bad(f"HTTP 200, but {answer.body[:200]!r}")
    return f"{len(result.get('series') or ())} series"
