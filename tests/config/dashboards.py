"""Which of Grafana's panels may be without data, and why. The panels and queries themselves are
tasks/grafana/dashboards.py's.

`queries()` is what an end-to-end test runs against the live data sources. A panel has data when one of its
queries has.
"""

from __future__ import annotations

from tasks.grafana.dashboards import (
    FIELDS,
    FOLDER,
    LANGUAGES,
    MACROS,
    SOURCES,
    Query,
    models,
    panels,
    queries,
    queries_of,
    selected,
    substitute,
)

__all__ = [
    "EMPTY_WHEN_HEALTHY", "EMPTY_WITH_STAND_IN", "FIELDS", "FOLDER", "LANGUAGES", "MACROS", "SOURCES", "UIDS", "Query",
    "models", "panels", "queries", "queries_of", "selected", "substitute",
]  # fmt: skip

NAMES = ("gatewayz-overview", "golden-signals", "logs", "providers-models", "stack", "traces")
UIDS = tuple(f"lgtm-{name}" for name in NAMES)  # a plain `logs` may well be the uid of a dashboard of somebody's

# Panels without data while everything is well and the lab has been up for minutes: why that is right.
EMPTY_WHEN_HEALTHY = {
    **{(uid, "annotation Firing alerts"): "nothing but the Watchdog fires" for uid in UIDS},
    ("lgtm-golden-signals", "Latency against an hour ago"): "there is no hour ago yet",
    ("lgtm-logs", "Errors by provider"): "nothing that is an error need be logged",
    ("lgtm-logs", "Errors by model"): "nothing that is an error need be logged",
    ("lgtm-logs", "Errors by unit"): "a healthy unit writes no error",
    ("lgtm-logs", "Failed requests"): "no request need fail",
    ("lgtm-logs", "Slow requests"): "no request need be slow",
    ("lgtm-stack", "Clock error"): "a lab host is a container, which may not ask the kernel about its clock",
    ("lgtm-stack", "Firing alerts"): "nothing but the Watchdog fires",
    ("lgtm-stack", "Days of disk left"): "a disk that is not filling has no last day",
    ("lgtm-stack", "Days until a disk is full"): "a disk that is not filling has no last day",
    ("lgtm-stack", "Disk used"): "a lab host's root is an overlay, which node_exporter leaves out",
    ("lgtm-stack", "Disk growth, thirty days"): "a lab host's root is an overlay, which node_exporter leaves out",
    ("lgtm-stack", "Samples refused"): "Mimir counts a reason once it has refused for it",
    ("lgtm-stack", "Lines refused"): "Loki counts a reason once it has refused for it",
    ("lgtm-stack", "Spans refused"): "Tempo counts a reason once it has refused for it",
    ("lgtm-traces", "Errors in the chosen time by span"): "no span need end with an error",
    ("lgtm-traces", "Failed traces"): "no span need end with an error",
    ("lgtm-traces", "Slow traces"): "no span need take a second",
}
# Panels over what a stand-in does not count, or a query that it does not know: the service that must be the real one.
EMPTY_WITH_STAND_IN = {
    ("lgtm-stack", "Requests by status"): "mimir",
    ("lgtm-traces", "Failures between services"): "tempo",
    ("lgtm-traces", "Requests between services"): "tempo",
    ("lgtm-traces", "Time between services p95"): "tempo",
}
