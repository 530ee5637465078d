"""Where spans are kept: in memory, and request by request in a file that is read again at the next start."""

import json
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from .config import Config
from .spans import Span, read

FILE = "standin.jsonl"


class Store:
    """All spans, by trace. Requests that are wholly older than the retention go at the next start."""

    def __init__(self, config: Config) -> None:
        config.data.mkdir(parents=True, exist_ok=True)
        self.path, self.lock = config.data / FILE, threading.Lock()
        self.traces: dict[str, dict[str, Span]] = {}
        self.received = self.received_bytes = 0
        self._read(time.time_ns() - int(config.retention_seconds * 1e9))
        self.file = self.path.open("a")

    def add(self, request: Mapping[str, Any], size: int) -> list[Span]:
        """Take a request of `size` bytes in, whole or not at all; its spans are in the file when this returns."""
        spans = list(read(request))
        with self.lock:
            self.file.write(json.dumps(request) + "\n")
            self.file.flush()
            self._keep(spans)
            self.received, self.received_bytes = self.received + len(spans), self.received_bytes + size
        return spans

    def trace(self, trace: str) -> list[Span]:
        """Give the spans of a trace, earliest first; none when it is unknown."""
        with self.lock:
            return sorted(self.traces.get(trace, {}).values(), key=lambda span: span.start)

    def everything(self) -> list[list[Span]]:
        """Give every trace, latest first."""
        with self.lock:
            names = list(self.traces)
        return sorted((self.trace(name) for name in names), key=lambda spans: -spans[0].start)

    def _keep(self, spans: Sequence[Span]) -> None:
        for span in spans:
            self.traces.setdefault(span.trace, {})[span.id] = span

    def _read(self, oldest: int) -> None:
        """Read the file, and write it anew without what is too old or was cut off."""
        kept = []
        for line in self.path.read_text().splitlines() if self.path.exists() else []:
            try:
                spans = list(read(json.loads(line)))
            except (LookupError, TypeError, ValueError):
                print(f"{self.path}: a line is left out, it was cut off: {line[:80]}", file=sys.stderr, flush=True)
                continue
            if any(span.end >= oldest for span in spans):
                self._keep(spans)
                kept.append(line + "\n")
        new = self.path.with_suffix(".new")
        new.write_text("".join(kept))
        new.rename(self.path)
