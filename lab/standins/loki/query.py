"""Questions about the lines, under the names and in the form that Loki's API has for them."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from .aggregation import Value
from .logql import DURATION, parse, seconds
from .pipeline import Log, LogQLError
from .store import SECOND, Labels, Store

HOUR = 3600 * SECOND
MOST_STEPS = 11_000


class Parameters:
    """What a request asks, with Loki's defaults."""

    def __init__(self, given: Mapping[str, Sequence[str]]) -> None:
        self.given = given
        self.end = self.moment("end", time.time_ns())
        self.start = self.moment("start", self.end - HOUR)

    def text(self, name: str, default: str = "") -> str:
        return self.given.get(name, [default])[-1]

    def moment(self, name: str, default: int) -> int:
        """A time in nanoseconds, in seconds (ten digits, or a fraction), or as a date."""
        text = self.text(name)
        if not text:
            return default
        if text.isdigit():
            return int(text) if len(text) > 10 else int(text) * SECOND
        try:
            return int(float(text) * SECOND)
        except ValueError:
            return int(datetime.fromisoformat(text).timestamp() * SECOND)

    def steps(self) -> range:
        """The moments of a range query."""
        text = self.text("step")
        width = seconds(text) if DURATION.fullmatch(text) else float(text or max((self.end - self.start) // HOUR, 1))
        if width <= 0 or (self.end - self.start) / (width * SECOND) > MOST_STEPS:
            raise LogQLError(f"a step of {text or width} gives no points, or more than {MOST_STEPS}")
        return range(self.start, self.end + 1, int(width * SECOND))


def answer(store: Store, name: str, given: Parameters) -> Any:
    """Answer one of Loki's questions; ValueError for what the stand-in does not understand."""
    if name == "query":
        return _instant(store, given)
    if name == "query_range":
        return _range(store, given)
    selector = given.text("match[]") or given.text("query")
    found = parse(selector) if selector else None
    if found and not isinstance(found, Log):
        raise LogQLError(f"{selector}: a selector of streams is wanted here")
    streams = store.known(found.fits if found else lambda _: True, given.start, given.end)
    if name in ("labels", "label"):
        return sorted({label for labels in streams for label in labels})
    if name == "series":
        return streams
    if name.startswith("label/") and name.endswith("/values"):
        wanted = name.removeprefix("label/").removesuffix("/values")
        return sorted({labels[wanted] for labels in streams if wanted in labels})
    raise LogQLError(f"the stand-in cannot do /loki/api/v1/{name}")


def _instant(store: Store, given: Parameters) -> dict[str, Any]:
    node, at = parse(given.text("query")), given.moment("time", given.end)
    if isinstance(node, Log):
        raise LogQLError("log queries are not supported as an instant query type, ask for a range instead")
    [value] = node(store, [at])
    if not isinstance(value, dict):
        return {"resultType": "scalar", "result": _point(at, value), "stats": {}}
    result = [{"metric": dict(labels), "value": _point(at, one)} for labels, one in value.items()]
    return {"resultType": "vector", "result": result, "stats": {}}


def _range(store: Store, given: Parameters) -> dict[str, Any]:
    node = parse(given.text("query"))
    if isinstance(node, Log):
        return {"resultType": "streams", "result": _streams(store, node, given), "stats": {}}
    times = given.steps()
    series: dict[Labels, list[Any]] = defaultdict(list)
    for at, value in zip(times, node(store, times), strict=True):
        for labels, one in _items(value):
            series[labels].append(_point(at, one))
    result = [{"metric": dict(labels), "values": points} for labels, points in series.items()]
    return {"resultType": "matrix", "result": result, "stats": {}}


def _streams(store: Store, log: Log, given: Parameters) -> list[dict[str, Any]]:
    backward = given.text("direction", "backward").lower() == "backward"
    lines = sorted(log.lines(store, given.start - 1, given.end), key=lambda line: line.at, reverse=backward)
    streams: dict[Labels, list[Any]] = defaultdict(list)
    for line in lines[: int(given.text("limit", "100"))]:
        streams[tuple(sorted(line.labels.items()))].append([str(line.at), line.text])
    return [{"stream": dict(labels), "values": values} for labels, values in streams.items()]


def rules(store: Store, folder: Path | None) -> dict[str, Any]:
    """Evaluate every rule of every file, now."""
    groups = []
    for path in sorted(folder.glob("*/*.yml")) if folder else ():
        for group in yaml.safe_load(path.read_text())["groups"]:
            found = [_evaluated(store, rule) for rule in group["rules"]]
            groups.append({"name": group["name"], "file": path.name, "rules": found})
    return {"groups": groups}


def _evaluated(store: Store, rule: Mapping[str, str]) -> dict[str, str]:
    error = ""
    try:
        _instant(store, Parameters({"query": [rule["expr"]]}))
    except ValueError as refused:
        error = str(refused)
    health = "err" if error else "ok"
    kind = "recording" if "record" in rule else "alerting"
    name = rule.get("record") or rule["alert"]
    return {"name": name, "query": rule["expr"], "health": health, "lastError": error, "type": kind}


def _items(value: Value) -> Iterator[tuple[Labels, float]]:
    yield from value.items() if isinstance(value, dict) else [((), value)]


def _point(at: int, value: float) -> list[Any]:
    return [at / SECOND, f"{value:.17g}"]
