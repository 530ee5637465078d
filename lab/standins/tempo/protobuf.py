"""Protocol buffers by hand: OTLP is read into the shape of its JSON form, remote write is made."""

import struct
from collections.abc import Iterator, Mapping
from typing import Any

# Message → field number → (name in JSON, what it holds). A message's name in a list may come many times.
SCHEMAS: Mapping[str, Mapping[int, tuple[str, Any]]] = {
    "Request": {1: ("resourceSpans", ["ResourceSpans"])},
    "ResourceSpans": {1: ("resource", "Resource"), 2: ("scopeSpans", ["ScopeSpans"])},
    "Resource": {1: ("attributes", ["KeyValue"])},
    "ScopeSpans": {2: ("spans", ["Span"])},
    "Span": {
        1: ("traceId", "hex"), 2: ("spanId", "hex"), 4: ("parentSpanId", "hex"), 5: ("name", "text"),
        6: ("kind", "int"), 7: ("startTimeUnixNano", "int"), 8: ("endTimeUnixNano", "int"),
        9: ("attributes", ["KeyValue"]), 15: ("status", "Status"),
    },
    "Status": {2: ("message", "text"), 3: ("code", "int")},
    "KeyValue": {1: ("key", "text"), 2: ("value", "AnyValue")},
    "AnyValue": {
        1: ("stringValue", "text"), 2: ("boolValue", "bool"), 3: ("intValue", "int"), 4: ("doubleValue", "double"),
    },
}  # fmt: skip


def decode(data: bytes, message: str = "Request") -> dict[str, Any]:
    """Read a message; fields it does not know are skipped. ValueError when it is no message."""
    found: dict[str, Any] = {}
    for number, value in fields(data):
        name, kind = SCHEMAS[message].get(number, ("", ""))
        if isinstance(kind, list):
            found.setdefault(name, []).append(decode(value, kind[0]))
        elif name:
            found[name] = decode(value, kind) if kind in SCHEMAS else scalar(value, kind)
    return found


def scalar(value: Any, kind: str) -> Any:
    """Give a field's value its type."""
    match kind:
        case "hex":
            return value.hex()
        case "text":
            return value.decode()
        case "double":
            return struct.unpack("<d", struct.pack("<Q", value))[0]
        case "bool":
            return bool(value)
    return value - 2**64 if value >= 2**63 else value


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Take a message apart: numbers and values, which are integers or bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
            yield key >> 3, value
            continue
        if key & 7 not in (1, 2, 5):
            raise ValueError(f"no field has the type {key & 7}")
        size, at = varint(data, at) if key & 7 == 2 else (8 if key & 7 == 1 else 4, at)
        if at + size > len(data):
            raise ValueError("the message ends within a field")
        held, at = data[at : at + size], at + size
        yield key >> 3, held if key & 7 == 2 else int.from_bytes(held, "little")


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a number of variable length, and say where it ends."""
    value = shift = 0
    while at < len(data):
        value, shift, at = value | (data[at] & 127) << shift, shift + 7, at + 1
        if data[at - 1] < 128:
            return value, at
    raise ValueError("the message ends within a number")


def number(value: int) -> bytes:
    """Write a number of variable length."""
    return bytes([value & 127 | 128]) + number(value >> 7) if value > 127 else bytes([value])


def part(field: int, data: bytes) -> bytes:
    """Write a field that holds a text or a message."""
    return number(field << 3 | 2) + number(len(data)) + data


def series(labels: Mapping[str, str], value: float, milliseconds: int) -> bytes:
    """Write a series of one sample for a remote write request; empty labels are none."""
    pairs = (part(1, name.encode()) + part(2, text.encode()) for name, text in sorted(labels.items()) if text)
    sample = b"\x09" + struct.pack("<d", value) + b"\x10" + number(milliseconds)
    return part(1, b"".join(part(1, pair) for pair in pairs) + part(2, sample))


def snappy(data: bytes) -> bytes:
    """Frame bytes as a snappy block that is made of literals only, and so is no smaller."""
    chunks = (data[at : at + 65536] for at in range(0, len(data), 65536))
    return number(len(data)) + b"".join(b"\xf4" + struct.pack("<H", len(chunk) - 1) + chunk for chunk in chunks)
