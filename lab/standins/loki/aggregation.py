"""Numbers made of lines, and numbers made of those: each a function that answers for many moments at once."""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from .pipeline import Log, LogQLError, number
from .store import SECOND, Labels, Line, Store

Vector = dict[Labels, float]
Value = Vector | float
Node = Callable[[Store, Sequence[int]], list[Value]]  # moments in order of time → a value for each
Grouping = tuple[str, frozenset[str]]  # "by" or "without", and labels
Operation = Callable[[float, float], float]


def _quantile(values: Sequence[float], share: float) -> float:
    """Between the two nearest, in proportion."""
    ordered, at = sorted(values), share * (len(values) - 1)
    low, high = math.floor(at), math.ceil(at)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


# Values of a series in the range, its length in seconds, the parameter → one value.
RANGES: dict[str, Callable[[Sequence[float], float, float], float]] = {
    "rate": lambda values, seconds, _: sum(values) / seconds,
    "bytes_rate": lambda values, seconds, _: sum(values) / seconds,
    "count_over_time": lambda values, *_: float(len(values)),
    "bytes_over_time": lambda values, *_: sum(values),
    "sum_over_time": lambda values, *_: sum(values),
    "avg_over_time": lambda values, *_: sum(values) / len(values),
    "max_over_time": lambda values, *_: max(values),
    "min_over_time": lambda values, *_: min(values),
    "quantile_over_time": lambda values, _, share: _quantile(values, share),
}
AGGREGATIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": sum,
    "avg": lambda values: sum(values) / len(values),
    "min": min,
    "max": max,
    "count": lambda values: float(len(values)),
    "topk": max,
    "bottomk": min,
}


def constant(value: Value) -> Node:
    """The same value at every moment."""
    return lambda _, times: [value] * len(times)


def over(log: Log, name: str, seconds: float, parameter: float, by: Grouping | None) -> Node:
    """`rate({a="b"}[5m])` and its like."""
    if (name.endswith("_over_time") and not name.startswith(("count", "bytes"))) != bool(log.unwrapped):
        raise LogQLError(f"{name}: the stand-in wants `| unwrap` for what measures values, and for nothing else")
    span = int(seconds * SECOND)

    def answer(store: Store, times: Sequence[int]) -> list[Value]:
        lines = sorted(log.lines(store, times[0] - span, times[-1]), key=lambda line: line.at)
        stamps = [line.at for line in lines]
        windows = (lines[bisect_right(stamps, at - span) : bisect_right(stamps, at)] for at in times)
        return [reduced(window) for window in windows]

    def reduced(window: Sequence[Line]) -> Vector:
        series: dict[Labels, list[float]] = defaultdict(list)
        for line in window:
            if "__error__" in line.labels:
                raise LogQLError(f'pipeline error: {line.labels["__error__"]}; filter with | __error__=""')
            labels = tuple(sorted(pair for pair in line.labels.items() if pair[0] != log.unwrapped))
            series[_group(labels, by) if by else labels].append(_measure(log, name, line))
        return {labels: RANGES[name](values, seconds, parameter) for labels, values in series.items()}

    return answer


def aggregate(inner: Node, name: str, parameter: float, by: Grouping | None) -> Node:
    """`sum by (a) (…)` and its like; `topk(5, …)` keeps series instead of making new ones."""

    def answer(store: Store, times: Sequence[int]) -> list[Value]:
        return [reduced(_vector(value)) for value in inner(store, times)]

    def reduced(vector: Vector) -> Vector:
        groups: dict[Labels, Vector] = defaultdict(dict)
        for labels, value in vector.items():
            groups[_group(labels, by or ("by", frozenset()))][labels] = value
        if name not in ("topk", "bottomk"):
            return {labels: AGGREGATIONS[name](list(group.values())) for labels, group in groups.items()}
        ranked = (sorted(group.items(), key=lambda one: one[1], reverse=name == "topk") for group in groups.values())
        return dict(one for group in ranked for one in group[: int(parameter)])

    return answer


def combine(operation: Operation, left: Node, right: Node) -> Node:
    """Arithmetic between numbers and vectors; two vectors meet where all labels are the same."""

    def one(a: Value, b: Value) -> Value:
        if isinstance(a, dict) and isinstance(b, dict):
            return {labels: operation(a[labels], b[labels]) for labels in a if labels in b}
        if isinstance(a, dict):
            return {labels: operation(value, _number(b)) for labels, value in a.items()}
        if isinstance(b, dict):
            return {labels: operation(a, value) for labels, value in b.items()}
        return operation(a, b)

    return lambda store, times: [one(a, b) for a, b in zip(left(store, times), right(store, times), strict=True)]


def _measure(log: Log, name: str, line: Line) -> float:
    if log.unwrapped:
        return number(line, log.unwrapped) or 0.0
    return float(len(line.text.encode())) if name.startswith("bytes") else 1.0


def _group(labels: Labels, by: Grouping) -> Labels:
    kind, names = by
    return tuple(pair for pair in labels if (pair[0] in names) is (kind == "by"))


def _vector(value: Value) -> Vector:
    if not isinstance(value, dict):
        raise LogQLError("a number cannot be aggregated")
    return value


def _number(value: Any) -> float:
    assert isinstance(value, float)
    return value
