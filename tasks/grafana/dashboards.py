"""Grafana's dashboards as models: their panels, and every query with its variables filled in."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lgtm.task import Refusal

FOLDER = Path(__file__).parents[2] / "templates" / "grafana" / "dashboards"
SOURCES = {  # the uid of each data source: its type
    "grafana_loki": "loki",
    "grafana_mimir": "prometheus",
    "grafana_prometheus": "prometheus",
    "grafana_tempo": "tempo",
}
LANGUAGES = {"prometheus": "promql", "loki": "logql", "tempo": "traceql"}
FIELDS = {"prometheus": "expr", "loki": "expr", "tempo": "query"}  # where a target of that type holds its query
# Values for Grafana's built-in variables; any valid value will do.
MACROS = {"__auto": "1m", "__interval": "15s", "__range": "1h", "__rate_interval": "1m"}


@dataclass(frozen=True)
class Query:
    """One query as it is sent to a data source; `at_once`: an instant query instead of a range query."""

    dashboard: str
    panel: str
    source: str  # uid of the data source
    language: str  # promql, logql, traceql
    expression: str
    at_once: bool = False

    def path(self) -> str:
        """The path at which Grafana forwards it to the data source, for the last half hour."""
        expression, now = quote(self.expression, safe=""), int(time.time())
        proxy = f"/api/datasources/proxy/uid/{self.source}"
        if self.language == "traceql":
            return f"{proxy}/api/search?q={expression}&start={now - 3600}&end={now}&limit=5"
        prefix = "/loki/api/v1" if self.language == "logql" else "/api/v1"
        if self.at_once:
            return f"{proxy}{prefix}/query?query={expression}"
        return f"{proxy}{prefix}/query_range?query={expression}&start={now - 1800}&end={now}&step=60"

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel}: {self.expression}"


@cache
def models() -> dict[str, Any]:
    """Every dashboard by the name of its file."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def panels(model: Mapping[str, Any]) -> list[Any]:
    """All panels with content, those in collapsed rows too."""
    nested = [inner for one in model["panels"] for inner in (one, *one.get("panels", ()))]
    return [one for one in nested if one["type"] != "row"]


def queries() -> list[Query]:
    """Every query of every panel, variable and annotation."""
    return [query for model in models().values() for query in queries_of(model)]


def queries_of(model: Mapping[str, Any]) -> list[Query]:
    """Every query of one dashboard. Raises Refusal for an undeclared variable or an unknown data source."""
    values = MACROS | {one["name"]: _value(one) for one in _variables(model)}
    return [
        Query(model["uid"], name, uid, _language(model, name, uid), substitute(text, values), at_once)
        for name, uid, text, at_once in (*_panel_queries(model), *_variable_queries(model), *_annotation_queries(model))
    ]


def _language(model: Mapping[str, Any], panel: str, source: str) -> str:
    if source not in SOURCES:
        raise Refusal(
            f"dashboard {model['uid']}: {panel}: no data source has the uid {source}; use one of {', '.join(SOURCES)}"
        )
    return LANGUAGES[SOURCES[source]]


def _variables(model: Mapping[str, Any]) -> Sequence[Any]:
    variables: Sequence[Any] = model.get("templating", {}).get("list", ())
    return variables


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Replace `$name` and `${name}`, with or without a format. Raises Refusal for a name without a value."""

    def value(match: re.Match[str]) -> str:
        name = match["braced"] or match["bare"]
        if name not in values:
            raise Refusal(f"dashboard: no variable {name} in {text}")
        return values[name]

    return re.sub(r"\$(?:\{(?P<braced>\w+)(?::\w+)?\}|(?P<bare>\w+))", value, text)


Found = tuple[str, str, str, bool]


def _value(variable: Mapping[str, Any]) -> str:
    """The value of a variable while `All` is selected, or nothing is typed."""
    return "" if variable["type"] == "textbox" else variable.get("allValue") or ".+"


def _panel_queries(model: Mapping[str, Any]) -> Iterator[Found]:
    for panel in panels(model):
        for target in panel.get("targets", ()):
            source = target["datasource"]
            at_once = bool(target.get("instant")) or target.get("queryType") == "instant"
            yield panel["title"], source["uid"], target[FIELDS[source["type"]]], at_once


def _variable_queries(model: Mapping[str, Any]) -> Iterator[Found]:
    """The queries of the variables: the selector whose label values are listed."""
    for variable in _variables(model):
        if variable["type"] == "query":
            query = variable["query"]
            selector = query.get("stream") or selected(query.get("query", ""))
            # Loki refuses instant queries for lines.
            yield f"variable {variable['name']}", variable["datasource"]["uid"], selector, "stream" not in query


def _annotation_queries(model: Mapping[str, Any]) -> Iterator[Found]:
    for one in model.get("annotations", {}).get("list", ()):
        yield f"annotation {one['name']}", one["datasource"]["uid"], one["expr"], False


def selected(text: str) -> str:
    """`label_values(up{job="a"}, env)` → `up{job="a"}`; Raises Refusal for anything else."""
    match = re.fullmatch(r"label_values\((.+),\s*\w+\)", text)
    if not match:
        raise Refusal(f"dashboard: not label_values(selector, label): {text}")
    return match[1]


def uids() -> tuple[str, ...]:
    """The uids of the dashboards, which are the names of their files."""
    return tuple(models())
