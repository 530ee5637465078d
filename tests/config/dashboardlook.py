"""Faults of a dashboard's appearance; each kind was seen in a browser once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from dashboards import panels, queries_of

from tasks.grafana import datasources
from tasks.grafana.traceql import OWN

DERIVED = {one["name"] for one in datasources.DETAILS["loki"]({"tempo"})["derivedFields"]}


def blemishes(model: Mapping[str, Any]) -> list[str]:
    """Everything of a dashboard that would mislead, as sentences."""
    return list(chain.from_iterable(kind(model) for kind in KINDS))


def _first_hour(model: Mapping[str, Any]) -> Iterator[str]:
    """What is fresh is seen at once, and what needs days says so while it is empty."""
    if model["time"] != {"from": "now-1h", "to": "now"}:
        yield f"it opens with {model['time']['from']}, which is empty for hours after the first deploy"
    for panel in panels(model):
        looks_back = panel.get("timeFrom") or any(" offset " in one.get("expr", "") for one in panel["targets"])
        if looks_back and not panel["fieldConfig"]["defaults"].get("noValue"):
            yield f"{panel['title']}: it does not say why it is empty at first"
        if panel.get("timeFrom") and panel["fieldConfig"]["defaults"]["custom"]["showPoints"] == "never":
            yield f"{panel['title']}: its first point is not seen, which has no neighbour for an hour"


def _now(model: Mapping[str, Any]) -> Iterator[str]:
    """A stat asks for this moment: the last point of a range is as old as its step."""
    for panel in panels(model):
        if panel["type"] == "stat" and not all(one.get("instant") for one in panel["targets"]):
            yield f"{panel['title']}: asks a range for what is now"


def _without_data(model: Mapping[str, Any]) -> Iterator[str]:
    """Without data, a stat and a bar have the colour of the lowest threshold, unless a mapping gives another."""
    for panel in panels(model):
        if panel["type"] in ("stat", "bargauge"):
            maps = panel["fieldConfig"]["defaults"].get("mappings", ())
            [*empty] = (one["options"]["result"] for one in maps if one["options"].get("match") == "null+nan")
            if [one["color"] for one in empty] != ["text"] or not empty[0]["text"]:
                yield f"{panel['title']}: without data it is coloured like a value"


def _titles(model: Mapping[str, Any]) -> Iterator[str]:
    """At 1280 pixels, beside the menu, a column has 40; what is around a title takes 107, and `Last 7 days` 110."""
    for panel in panels(model):
        badge = 110 if panel.get("timeFrom") and not panel.get("hideTimeOverride") else 0
        letters = sum(4.3 if letter in "fijlrt,.' " else 8.5 for letter in panel["title"])
        if letters + 107 + badge > 40 * panel["gridPos"]["w"]:
            yield f"{panel['title']}: the title is cut"


def _bars(model: Mapping[str, Any]) -> Iterator[str]:
    """A bar takes 16 pixels and 10 below it; a row of the grid has 38, and the title takes 56 of them."""
    for panel in panels(model):
        if panel["type"] == "bargauge":
            many = re.match(r"(?:top|bottom)k\((\d+), ", panel["targets"][0]["expr"])
            large = (
                panel["options"].get("maxVizHeight", 300) > 30
            )  # two bars are as high as the panel, and so are names
            if large or not many or 26 * int(many[1]) - 10 > 38 * panel["gridPos"]["h"] - 64:
                yield f"{panel['title']}: not all its bars are seen"


def _ambiguous(model: Mapping[str, Any]) -> Iterator[str]:
    """Whatever lines are kept apart by is in their legend: else two of them have one name."""
    for panel in panels(model):
        for one in panel["targets"] if panel["type"] == "timeseries" else ():
            apart = re.match(r"[\d* (]*(?:topk\(\d+, )?(?:sum|max|min|avg) by \(([^)]*)\)", one["expr"])
            labels = {label.strip() for label in apart[1].split(",")} if apart else set()
            if lost := sorted(label for label in labels if f"{{{{{label}}}}}" not in one["legendFormat"]):
                yield f"{panel['title']}: its legend does not tell {', '.join(lost)}"


def _tables(model: Mapping[str, Any]) -> Iterator[str]:
    """A column is 150 wide unless it may be less, and beyond the panel none is seen; colours are the thresholds'."""
    for panel in panels(model):
        config = panel["fieldConfig"]
        if panel["type"] == "table" and config["defaults"].get("custom", {}).get("minWidth", 150) > 80:
            yield f"{panel['title']}: its last columns are not seen"
        for override in config["overrides"]:
            properties = {one["id"]: one["value"] for one in override["properties"]}
            mapped = "mappings" in properties or properties.get("color") == {"mode": "thresholds"}
            if "thresholds" in properties and not mapped:
                yield f"{panel['title']}: its colours are not those of the thresholds"


def _fields(model: Mapping[str, Any]) -> Iterator[str]:
    """Of two fields with one name, the second is called `Trace 1` and has no link; and the newest come first."""
    for panel in panels(model):
        steps = [one["options"] for one in panel.get("transformations", ()) if one["id"] == "extractFields"]
        aliases = {path["alias"] for step in steps for path in step["jsonPaths"]}
        if taken := aliases & DERIVED:
            yield f"{panel['title']}: Loki's source has fields called {', '.join(sorted(taken))} already"
        if steps and panel["options"].get("sortBy") != [{"displayName": "Time", "desc": True}]:
            yield f"{panel['title']}: the newest are not first, since Loki gives one stream after the other"


def _lonely(model: Mapping[str, Any]) -> Iterator[str]:
    """A line between points that have no neighbours is not drawn: what happens now and then is a bar."""
    for panel in panels(model):
        rare = any("err|error" in one.get("expr", "") for one in panel["targets"])
        if rare and panel["type"] == "timeseries" and panel["fieldConfig"]["defaults"]["custom"]["drawStyle"] != "bars":
            yield f"{panel['title']}: single errors are not seen"


def _legends(model: Mapping[str, Any]) -> Iterator[str]:
    """Prometheus calls a rule group by the path of its file, `;` and its name."""
    for panel in panels(model):
        renamed = [one["options"]["regex"] for one in panel.get("transformations", ()) if one["id"] == "renameByRegex"]
        legends = [one.get("legendFormat", "") for one in panel["targets"] if one.get("legendFormat")]
        if any("{{rule_group}}" in one for one in legends) and not [one for one in renamed if ".*;" in one]:
            yield f"{panel['title']}: a path is its legend"


def _applications(model: Mapping[str, Any]) -> Iterator[str]:
    """The stack's own services are none of the applications, in spans as in lines."""
    for query in queries_of(model):
        text = query.expression
        spans = query.language == "traceql" or "traces_" in text
        apart = len(re.findall(rf'!~ ?"{re.escape("|".join(OWN))}"', text))
        asked = len(re.findall(r"traces_(?:spanmetrics|service_graph)_\w+", text)) or 1
        lines = len(re.findall(r"\bservice=~", text)) if query.language == "logql" else 0
        if (spans and apart < asked) or lines > text.count(f'service!="{OWN[0]}"'):
            yield f"{query.panel}: the stack's own services are among the applications"


def _promises(model: Mapping[str, Any]) -> Iterator[str]:
    """Tempo's search gives any traces; only from 2.8 on it can be asked for the newest."""
    for panel in panels(model):
        if panel["datasource"]["type"] == "tempo" and re.search("newest|latest|last", panel["title"], re.IGNORECASE):
            yield f"{panel['title']}: not every Tempo gives the newest"


KINDS = (
    _first_hour, _now, _without_data, _titles, _bars, _ambiguous, _tables, _fields, _lonely, _legends, _applications,
    _promises,
)  # fmt: skip
