"""Which of Grafana's panels may be without data, and why. The panels and queries themselves are tasks/dashboards.py's.

`queries()` is what an end-to-end test runs against the live data sources. A panel has data when one of its
queries has.
"""

from __future__ import annotations

from tasks.dashboards import (
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

UIDS = ("gatewayz-overview", "golden-signals", "logs", "providers-models", "stack", "traces")

# Panels without data while everything is well and the lab has been up for minutes: why that is right.
EMPTY_WHEN_HEALTHY = {
    **{
        (uid, "annotation Firing alerts"): "nothing but the Watchdog fires"
        for uid in ("gatewayz-overview", "golden-signals", "logs", "providers-models", "stack", "traces")
    },
    ("golden-signals", "Latency against an hour ago"): "there is no hour ago yet",
    ("logs", "Errors by provider"): "nothing that is an error need be logged",
    ("logs", "Errors by model"): "nothing that is an error need be logged",
    ("logs", "Errors by unit"): "a healthy unit writes no error",
    ("logs", "Failed requests"): "no request need fail",
    ("logs", "Slow requests"): "no request need be slow",
    ("stack", "Clock error"): "a lab host is a container, which may not ask the kernel about its clock",
    ("stack", "Firing alerts"): "nothing but the Watchdog fires",
    ("stack", "Days of disk left"): "a disk that is not filling has no last day",
    ("stack", "Days until a disk is full"): "a disk that is not filling has no last day",
    ("stack", "Disk used"): "a lab host's root is an overlay, which node_exporter leaves out",
    ("stack", "Disk growth, thirty days"): "a lab host's root is an overlay, which node_exporter leaves out",
    ("stack", "Samples refused"): "Mimir counts a reason once it has refused for it",
    ("stack", "Lines refused"): "Loki counts a reason once it has refused for it",
    ("stack", "Spans refused"): "Tempo counts a reason once it has refused for it",
    ("traces", "Errors in the chosen time by span"): "no span need end with an error",
    ("traces", "Failed traces"): "no span need end with an error",
    ("traces", "Slow traces"): "no span need take a second",
}
# Panels over what a stand-in does not count, or a query that it does not know: the service that must be the real one.
EMPTY_WITH_STAND_IN = {
    ("stack", "Requests by status"): "mimir",
    ("traces", "Inferences"): "tempo",
    ("traces", "Failures between services"): "tempo",
    ("traces", "Requests between services"): "tempo",
    ("traces", "Time between services p95"): "tempo",
}
