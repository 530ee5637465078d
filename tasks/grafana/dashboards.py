"""Grafana's dashboards as models: their panels, and every query with its variables filled in."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

FOLDER = Path(__file__).parents[2] / "templates" / "grafana" / "dashboards"
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


@dataclass(frozen=True)
class Query:
    """One query as it is sent to a data source; `at_once`: for one moment instead of a range."""

    dashboard: str
    panel: str
    source: str  # uid of the data source
    language: str  # promql, logql, traceql
    expression: str
    at_once: bool = False

    def path(self) -> str:
        """Where Grafana hands it on to the data source, for the last half hour."""
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
            # Loki refuses to give lines of one moment.
            yield f"variable {variable['name']}", variable["datasource"]["uid"], selector, "stream" not in query


def _noted(model: Mapping[str, Any]) -> Iterator[Found]:
    for one in model["annotations"]["list"]:
        yield f"annotation {one['name']}", one["datasource"]["uid"], one["expr"], False


def selected(text: str) -> str:
    """`label_values(up{job="a"}, env)` → `up{job="a"}`; ValueError for anything else."""
    found = re.fullmatch(r"label_values\((.+),\s*\w+\)", text)
    if not found:
        raise ValueError(f"not label_values(selector, label): {text}")
    return found[1]


def uids() -> tuple[str, ...]:
    """The uids of the dashboards, which are the names of their files."""
    return tuple(models())
