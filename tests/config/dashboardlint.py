"""Faults of a dashboard that Grafana loads without an error."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain, combinations
from typing import Any

from dashboards import FIELDS, SOURCES, models, panels

TAG = "pyinfra-lgtm"  # the dashboards find each other by it
KINDS = {"bargauge", "logs", "stat", "table", "timeseries", "traces"}
COLUMNS = 24
SCHEMA = 39  # known to Grafana 11.0 and everything after


def faults(model: Mapping[str, Any]) -> list[str]:
    """Every fault of a dashboard as a sentence."""
    checks = (_identity, _texts, _numbers, _places, _sources, _targets, _ranges, _exemplars, _links)
    return list(chain.from_iterable(check(model) for check in checks))


def _identity(model: Mapping[str, Any]) -> Iterator[str]:
    """What Grafana's file provisioning wants: no number of its own, no question to whoever imports it."""
    if model["id"] is not None or model.keys() & {"__inputs", "__requires"}:
        yield "it is an export, not a provisioned dashboard"
    if model["schemaVersion"] < SCHEMA:
        yield f"schema version {model['schemaVersion']} is below {SCHEMA}"
    if TAG not in model["tags"] or not any(TAG in link["tags"] for link in model["links"]):
        yield f"it is not linked to the others by the tag {TAG}"
    if not (model["title"] and model["description"]):
        yield "it has no title or no description"


def _texts(model: Mapping[str, Any]) -> Iterator[str]:
    for panel in panels(model):
        title, defaults = panel.get("title"), panel["fieldConfig"]["defaults"]
        if not title:
            yield f"panel {panel['id']} has no title"
        if not panel.get("description", "").endswith("."):
            yield f"{title}: no sentence describes it"
        if panel["type"] not in KINDS:
            yield f"{title}: {panel['type']} is not one of {sorted(KINDS)}"
        elif panel["type"] != "logs" and not (defaults.get("unit") and defaults.get("thresholds")):
            yield f"{title}: no unit or no thresholds"


def _numbers(model: Mapping[str, Any]) -> Iterator[str]:
    for what in ("id", "title"):
        for value, count in Counter(panel.get(what) for panel in panels(model)).items():
            if count > 1:
                yield f"{what} {value} is there {count} times"


def _places(model: Mapping[str, Any]) -> Iterator[str]:
    spots = [(one.get("title"), one["gridPos"]) for one in model["panels"]]
    for title, at in spots:
        if at["x"] < 0 or at["x"] + at["w"] > COLUMNS or min(at["w"], at["h"]) < 1:
            yield f"{title}: not within the {COLUMNS} columns"
    for (one, a), (other, b) in combinations(spots, 2):
        if all(a[at] < b[at] + b[size] and b[at] < a[at] + a[size] for at, size in (("x", "w"), ("y", "h"))):
            yield f"{one} and {other} overlap"


def _sources(model: Mapping[str, Any]) -> Iterator[str]:
    for source in _under(model, "datasource"):
        if not isinstance(source, dict) or SOURCES.get(source.get("uid", ""), "") != source.get("type"):
            yield f"no such data source: {source}"


def _targets(model: Mapping[str, Any]) -> Iterator[str]:
    for panel in panels(model):
        targets = panel.get("targets", ())
        if not targets or len({one["refId"] for one in targets}) < len(targets) or any(t.get("hide") for t in targets):
            yield f"{panel.get('title')}: no target, a hidden one or two of one name"
        for one in targets:
            wanted = FIELDS.get(one["datasource"]["type"], "")
            if not one.get(wanted) or one.keys() & set(FIELDS.values()) != {wanted}:
                yield f"{panel.get('title')}: a target of {one['datasource']['uid']} has its query in {wanted}"


def _ranges(model: Mapping[str, Any]) -> Iterator[str]:
    """Prometheus forgets after two weeks; what looks back for days asks Mimir."""
    for panel in panels(model):
        if panel.get("timeFrom") and any(one["datasource"]["uid"] != "grafana_mimir" for one in panel["targets"]):
            yield f"{panel['title']}: {panel['timeFrom']} are not Mimir's"


def _exemplars(model: Mapping[str, Any]) -> Iterator[str]:
    for panel in panels(model):
        for one in panel.get("targets", ()):
            if "_bucket" in one.get("expr", "") and not one.get("exemplar"):
                yield f"{panel['title']}: buckets without exemplars"


def _links(model: Mapping[str, Any]) -> Iterator[str]:
    """A link to a dashboard or to a variable that is none leads nowhere."""
    known = {one["uid"]: {v["name"] for v in one["templating"]["list"]} for one in models().values()}
    for url in _under(model, "url"):
        if there := re.match(r"/d/([\w-]+)", url):
            given = set(re.findall(r"var-(\w+)=|\$\{(\w+):queryparam\}", url))
            if there[1] not in known or {name for pair in given for name in pair if name} - known[there[1]]:
                yield f"nothing at {url}"


def _under(tree: Any, key: str) -> Iterator[Any]:
    """Every value that any object of a tree has under a key."""
    if isinstance(tree, dict):
        yield from (tree[key] for _ in range(key in tree))
    for inner in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _under(inner, key)
