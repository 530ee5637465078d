"""Spans: read from OTLP's JSON form, and shown in it."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
STATUSES = ("UNSET", "OK", "ERROR")


@dataclass(frozen=True)
class Span:
    """One span. Ids are hexadecimal, times nanoseconds; `holder` and `written` are resource and span as they came."""

    trace: str
    id: str
    parent: str
    name: str
    kind: str  # of KINDS
    status: str  # of STATUSES
    start: int
    end: int
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]
    holder: Mapping[str, Any]
    written: Mapping[str, Any]

    @property
    def service(self) -> str:
        return str(self.resource.get("service.name", "unknown_service"))

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / 1e9


def read(request: Mapping[str, Any]) -> Iterator[Span]:
    """Read the spans of an export request. ValueError, or what a wrong shape raises, when it is none."""
    for batch in request.get("resourceSpans", []):
        holder = batch.get("resource", {})
        for scope in batch.get("scopeSpans", []):
            yield from (span(written, holder) for written in scope.get("spans", []))


def span(written: Mapping[str, Any], holder: Mapping[str, Any]) -> Span:
    """Read one span; its ids must be there and whole."""
    return Span(
        trace=identity(written.get("traceId", ""), 16),
        id=identity(written.get("spanId", ""), 8),
        parent=identity(written["parentSpanId"], 8) if written.get("parentSpanId") else "",
        name=written.get("name", ""),
        kind=member(written.get("kind", 0), KINDS),
        status=member(written.get("status", {}).get("code", 0), STATUSES),
        start=int(written["startTimeUnixNano"]),
        end=int(written["endTimeUnixNano"]),
        attributes=attributes(written),
        resource=attributes(holder),
        holder=holder,
        written=written,
    )


def identity(written: str, size: int) -> str:
    """Read an id of so many bytes."""
    found = bytes.fromhex(written)
    if len(found) != size:
        raise ValueError(f"the id {written!r} has {len(found)} bytes instead of {size}")
    return found.hex()


def member(value: int | str, names: tuple[str, ...]) -> str:
    """Read an enumeration's value, written as a number or as SPAN_KIND_SERVER."""
    return names[names.index(value.rpartition("_")[2]) if isinstance(value, str) else value]


def attributes(holder: Mapping[str, Any]) -> dict[str, Any]:
    """Read attributes that hold a text, a number or a truth; others are left out."""
    found = ((one["key"], *pair) for one in holder.get("attributes", []) for pair in one.get("value", {}).items())
    kinds = {"stringValue": str, "boolValue": bool, "doubleValue": float, "intValue": int}
    return {key: kinds[kind](value) for key, kind, value in found if kind in kinds}


def shown(spans: Iterable[Span]) -> list[dict[str, Any]]:
    """Show spans as Tempo does: a batch each, ids in base64, enumerations by name."""
    return [{"resource": one.holder, "scopeSpans": [{"scope": {}, "spans": [_shown(one)]}]} for one in spans]


def _shown(one: Span) -> dict[str, Any]:
    ids = {"traceId": one.trace, "spanId": one.id, "parentSpanId": one.parent}
    return {
        **one.written,
        **{name: b64encode(bytes.fromhex(found)).decode() for name, found in ids.items() if found},
        "kind": f"SPAN_KIND_{one.kind}",
        "startTimeUnixNano": str(one.start),
        "endTimeUnixNano": str(one.end),
        "status": {} if one.status == "UNSET" else {"code": f"STATUS_CODE_{one.status}"},
    }
