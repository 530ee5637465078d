"""The lines: in memory, and in a file that grows by a line of JSON for every stream of a push."""

import json
import threading
import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

SECOND = 10**9  # times are nanoseconds, as in Loki
TOO_OLD, TOO_NEW = 168 * 3600 * SECOND, 600 * SECOND
# Whichever of these labels comes first names the service, as in Loki.
NAMING = ("service", "app", "application", "app_name", "name", "container", "component", "workload", "job")
Labels = tuple[tuple[str, str], ...]


class Line(NamedTuple):
    """A line, with its stream's labels and its own."""

    at: int
    text: str
    labels: Mapping[str, str]


class Store:
    """Every line, by stream and in order of time; nothing is gone after a restart."""

    def __init__(self, folder: Path, retention_seconds: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.retention = int(retention_seconds * SECOND)
        self.streams: dict[Labels, list[tuple[int, str, Labels]]] = {}
        self.lock = threading.Lock()
        self.received = self.received_bytes = self.discarded = 0
        path = folder / "standin.jsonl"
        for record in path.read_text().splitlines() if path.exists() else ():
            with suppress(ValueError):  # whoever was killed while writing left half a record behind
                self._keep(*json.loads(record).values())
        self.file = path.open("a")
        self.file.write("\n")  # ends that half, if there is one

    def push(self, streams: Iterable[Mapping[str, Any]]) -> None:
        """Take lines in, whole or not at all; ValueError says why not."""
        now = time.time_ns()
        new = [(_named(one["stream"]), [_line(value) for value in one["values"]]) for one in streams]
        with self.lock:
            if odd := [text for _, lines in new for at, text, _ in lines if not now - TOO_OLD < at < now + TOO_NEW]:
                self.discarded += len(odd)
                raise ValueError(f"the time of line {odd[0][:80]!r} is more than a week old, or in the future")
            for labels, lines in new:
                self.file.write(json.dumps({"stream": labels, "lines": lines}) + "\n")
                self._keep(labels, lines)
                self.received += len(lines)
                self.received_bytes += sum(len(text.encode()) for _, text, _ in lines)
            self.file.flush()

    def select(self, fits: Any, start: int, end: int) -> Iterator[Line]:
        """Give the lines after `start` and up to `end` of the streams whose labels fit."""
        with self.lock:
            streams = {labels: list(lines) for labels, lines in self.streams.items() if fits(dict(labels))}
        start = max(start, time.time_ns() - self.retention) if self.retention else start
        for labels, lines in streams.items():
            first, last = (bisect_right(lines, at, key=lambda line: line[0]) for at in (start, end))
            yield from (Line(at, text, dict(labels) | dict(own)) for at, text, own in lines[first:last])

    def known(self, fits: Any, start: int, end: int) -> list[dict[str, str]]:
        """Give the labels of the streams that fit and have lines in that time."""
        with self.lock:
            streams = [(dict(labels), lines) for labels, lines in self.streams.items()]
        return [
            labels
            for labels, lines in streams
            if fits(labels) and bisect_left(lines, (start,)) < bisect_left(lines, (end,))
        ]

    def close(self) -> None:
        """Leave the file whole."""
        with self.lock:
            self.file.close()

    def _keep(self, labels: Sequence[Any], lines: Sequence[Any]) -> None:
        stream = self.streams.setdefault(tuple((name, value) for name, value in labels), [])
        for at, text, own in lines:
            insort(stream, (at, text, tuple((name, value) for name, value in own)))


def _named(labels: Mapping[str, str]) -> Labels:
    """A stream's labels in order, with the name of its service."""
    if not labels or not all(isinstance(value, str) for value in labels.values()):
        raise ValueError(f"a stream needs labels, and they are text: {labels!r}")
    service = next((labels[name] for name in NAMING if labels.get(name)), "unknown_service")
    return tuple(sorted(({"service_name": service} | dict(labels)).items()))


def _line(value: Sequence[Any]) -> tuple[int, str, Labels]:
    at, text, own = int(value[0]), str(value[1]), value[2] if len(value) > 2 else {}
    return at, text, tuple(sorted((str(name), str(value)) for name, value in own.items()))
