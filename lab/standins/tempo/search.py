"""Searching: `{ condition && condition }`, which is the simpler half of TraceQL; all must be true of one span."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..common.config import UNIT_SECONDS
from .spans import KINDS, STATUSES, Span

FIELD = r"((?:resource|span)?\.[\w./-]+|name|status|kind|duration)"
CONDITION = re.compile(rf'\s*{FIELD}\s*(=~|!~|!=|>=|<=|=|>|<)\s*("(?:[^"\\]|\\.)*"|[\w.]+)\s*')
OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "=~": lambda found, wanted: re.fullmatch(wanted, str(found)) is not None,
    "!~": lambda found, wanted: re.fullmatch(wanted, str(found)) is None,
}
KNOWN = frozenset(("q", "start", "end", "limit", "spss"))
ROOTLESS = "<root span not yet received>"
Matcher = Callable[[Span], bool]


class SearchError(Exception):
    """What is wrong with a query, or what the stand-in cannot do, in a sentence."""


def search(traces: Sequence[Sequence[Span]], given: Mapping[str, str]) -> dict[str, Any]:
    """Answer a search: `q`, `limit` traces, and of each the spans that match; `start` and `end` in seconds."""
    if unknown := sorted(given.keys() - KNOWN):
        raise SearchError(f"the stand-in does not search by {', '.join(unknown)}, only by q")
    matches = parse(given.get("q", "{}"))
    try:
        start, end = int(given.get("start", 0)), int(given.get("end", 2**40))
        limit, each = int(given.get("limit", 20)), int(given.get("spss", 3))
    except ValueError as error:
        raise SearchError(f"start, end, limit and spss are whole numbers: {error}") from error
    within = (spans for spans in traces if spans[0].start <= end * 10**9 and spans[-1].end >= start * 10**9)
    found = ((spans, [span for span in spans if matches(span)]) for spans in within)
    return {"traces": [_summary(spans, some, each) for spans, some in found if some][:limit], "metrics": {}}


def rate(traces: Sequence[Sequence[Span]], given: Mapping[str, str]) -> dict[str, Any]:
    """Answer `{ … } | rate()`: spans per second in each step from `start` to `end`; no series without a span."""
    asked = re.fullmatch(r"(\s*\{.*\})\s*\|\s*rate\(\)\s*", given.get("q", ""), re.DOTALL)
    if not asked:
        raise SearchError(f"of TraceQL metrics the stand-in knows rate() alone, not {given.get('q', '')!r}")
    matches = parse(asked[1])
    try:
        start, end, step = (int(given[name]) for name in ("start", "end", "step"))
    except (KeyError, ValueError) as error:
        raise SearchError(f"start, end and step are whole seconds: {error}") from error
    at = [span.start / 10**9 for spans in traces for span in spans if matches(span)]
    counts = [(edge, sum(edge <= one < edge + step for one in at)) for edge in range(start, end, max(1, step))]
    samples = [{"timestampMs": str(edge * 1000), "value": count / step} for edge, count in counts]
    series = {"labels": [{"key": "__name__", "value": {"stringValue": "rate"}}], "samples": samples}
    return {"series": [series] if sum(count for _, count in counts) else [], "metrics": {}}


def tags(traces: Sequence[Sequence[Span]]) -> dict[str, Any]:
    """Name every attribute there is."""
    spans = [span for trace in traces for span in trace]
    return {"tagNames": sorted({name for span in spans for name in {**span.resource, **span.attributes}})}


def parse(query: str) -> Matcher:
    """Make of a query what tells whether a span answers it; what it selects of them to be shown changes nothing."""
    inside = re.fullmatch(r"\s*\{(.*)\}\s*(\|\s*select\([^)]*\)\s*)?", query, re.DOTALL)
    if not inside:
        raise SearchError(f"the stand-in reads one pair of braces, not {query!r}")
    conditions, rest = [], inside[1].strip()
    while rest:
        found = CONDITION.match(rest)
        follows = rest[found.end() :] if found else rest
        if not found or (follows and not re.match(r"&&\s*[^\s]", follows)):
            raise SearchError(f"the stand-in reads conditions joined by &&, not {follows!r}")
        conditions.append(_condition(found[1], found[2], _literal(found[1], found[3])))
        rest = follows.removeprefix("&&").strip()
    return lambda span: all(holds(span) for holds in conditions)


def _condition(field: str, sign: str, wanted: Any) -> Matcher:
    text = isinstance(wanted, str)
    if sign.endswith("~") and not (text and _compiles(wanted)):
        raise SearchError(f"{wanted!r} is no regular expression")

    def holds(span: Span) -> bool:
        found = _value(span, field)
        if wanted is None:
            return (found is None) == (sign == "=")
        return found is not None and isinstance(found, str) == text and OPERATORS[sign](found, wanted)

    return holds


def _compiles(pattern: str) -> bool:
    try:
        return bool(re.compile(pattern))
    except re.error:
        return False


def _literal(field: str, written: str) -> Any:
    """Read what a field is compared with. SearchError when the field could never be that."""
    amount = re.fullmatch(r"([0-9.]+)(ms|[smh])?", written)
    if written.upper() in {"status": STATUSES, "kind": KINDS}.get(field, ()):
        return written.upper()
    if written.startswith('"') and field not in ("status", "kind", "duration"):
        return re.sub(r"\\(.)", r"\1", written[1:-1])
    if amount and (amount[2] is not None) == (field == "duration") and field not in ("name", "status", "kind"):
        return float(amount[1]) * UNIT_SECONDS[amount[2] or "s"]
    if written == "nil" and "." in field:
        return None
    if written in ("true", "false") and "." in field:
        return written == "true"
    raise SearchError(f"{field} cannot be {written}")


def _value(span: Span, field: str) -> Any:
    own = {"name": span.name, "status": span.status, "kind": span.kind, "duration": span.seconds}
    if field in own:
        return own[field]
    scope, _, key = field.partition(".")
    places = {"resource": span.resource, "span": span.attributes, "": {**span.resource, **span.attributes}}
    return places[scope].get(key)


def _summary(spans: Sequence[Span], some: Sequence[Span], each: int) -> dict[str, Any]:
    """Show a trace as a search does."""
    root = next((span for span in spans if not span.parent), None)
    start = spans[0].start
    matched = {"spans": [_brief(span) for span in some[:each]], "matched": len(some)}
    return {
        "traceID": spans[0].trace,
        "rootServiceName": root.service if root else ROOTLESS,
        "rootTraceName": root.name if root else "",
        "startTimeUnixNano": str(start),
        "durationMs": (max(span.end for span in spans) - start) // 10**6,
        "spanSet": matched,
        "spanSets": [matched],
    }


def _brief(span: Span) -> dict[str, Any]:
    times = {"startTimeUnixNano": str(span.start), "durationNanos": str(span.end - span.start)}
    return {"spanID": span.id, "name": span.name, **times}
