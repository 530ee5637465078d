"""Grafana's dashboards as the tests see them: models, panels, and every query with its variables filled in.

`queries()` is what an end-to-end test runs against the live data sources. A panel has data when one of its
queries has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "templates" / "grafana" / "dashboards"
UIDS = ("gatewayz-overview", "golden-signals", "logs", "providers-models", "stack", "traces")
SOURCES = {  # the uid of each data source: its type
    "grafana_loki": "loki",
    "grafana_mimir": "prometheus",
    "grafana_prometheus": "prometheus",
    "grafana_tempo": "tempo",
}
LANGUAGES = {"prometheus": "promql", "loki": "logql", "tempo": "traceql"}
FIELDS = {"prometheus": "expr", "loki": "expr", "tempo": "query"}  # where a target of that type holds its query
# What Grafana puts in for its own variables; any legal value will do.
MACROS = {"__auto": "1m", "__interval": "15s", "__range": "1h", "__rate_interval": "1m"}

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


@dataclass(frozen=True)
class Query:
    """One query as it is sent to a data source; `at_once`: for one moment instead of a range."""

    dashboard: str
    panel: str
    source: str  # uid of the data source
    language: str  # promql, logql, traceql
    expression: str
    at_once: bool = False

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel}: {self.expression}"


def models() -> dict[str, Any]:
    """Every dashboard by the name of its file."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def panels(model: Mapping[str, Any]) -> list[Any]:
    """The panels that show something: all but the rows' headings, those in folded rows too."""
    found = [inner for one in model["panels"] for inner in (one, *one.get("panels", ()))]
    return [one for one in found if one["type"] != "row"]


def queries() -> list[Query]:
    """Every query of every panel, variable and annotation."""
    return [query for model in models().values() for query in queries_of(model)]


def queries_of(model: Mapping[str, Any]) -> list[Query]:
    """Every query of one dashboard; ValueError for a variable that nobody declares."""
    values = MACROS | {one["name"]: _value(one) for one in model["templating"]["list"]}
    return [
        Query(model["uid"], name, uid, LANGUAGES[SOURCES[uid]], substitute(text, values), at_once)
        for name, uid, text, at_once in (*_shown(model), *_chosen(model), *_noted(model))
    ]


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Fill in `$name` and `${name}`, with or without a format; ValueError for a name that has no value."""

    def value(found: re.Match[str]) -> str:
        name = found["braced"] or found["bare"]
        if name not in values:
            raise ValueError(f"no variable {name} in {text}")
        return values[name]

    return re.sub(r"\$(?:\{(?P<braced>\w+)(?::\w+)?\}|(?P<bare>\w+))", value, text)


Found = tuple[str, str, str, bool]


def _value(variable: Mapping[str, Any]) -> str:
    """What is put in while `All` is chosen, or nothing is typed."""
    return "" if variable["type"] == "textbox" else variable.get("allValue") or ".+"


def _shown(model: Mapping[str, Any]) -> Iterator[Found]:
    for panel in panels(model):
        for target in panel.get("targets", ()):
            source = target["datasource"]
            at_once = bool(target.get("instant")) or target.get("queryType") == "instant"
            yield panel["title"], source["uid"], target[FIELDS[source["type"]]], at_once


def _chosen(model: Mapping[str, Any]) -> Iterator[Found]:
    """The queries behind the variables: the selector whose label values are offered."""
    for variable in model["templating"]["list"]:
        if variable["type"] == "query":
            query = variable["query"]
            selector = query.get("stream") or selected(query.get("query", ""))
            yield f"variable {variable['name']}", variable["datasource"]["uid"], selector, True


def _noted(model: Mapping[str, Any]) -> Iterator[Found]:
    for one in model["annotations"]["list"]:
        yield f"annotation {one['name']}", one["datasource"]["uid"], one["expr"], False


def selected(text: str) -> str:
    """`label_values(up{job="a"}, env)` → `up{job="a"}`; ValueError for anything else."""
    found = re.fullmatch(r"label_values\((.+),\s*\w+\)", text)
    if not found:
        raise ValueError(f"not label_values(selector, label): {text}")
    return found[1]
