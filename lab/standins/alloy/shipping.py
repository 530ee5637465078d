"""From the journal to Loki: what has been read is noted only when Loki has it."""

import json
import os
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from .config import Config

# Without `--merge` it looks for this boot's id, which the service's sandbox hides.
FOLLOW = ("journalctl", "--follow", "--merge", "--all", "--quiet", "--no-tail", "--output=json")
BATCH, PATIENCE_SECONDS = 500, 1.0


class Shipper:
    """Follows the journal from where Loki has it, for ever; `counts` are totals since the start."""

    def __init__(self, config: Config, place: Path) -> None:
        self.config, self.place = config, place
        self.counts: Counter[str] = Counter()
        self.healthy = True
        self.stopping = threading.Event()
        self.entries: Queue[dict[str, Any]] = Queue(2 * BATCH)
        self.journalctl: subprocess.Popen[bytes] | None = None
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.sender = threading.Thread(target=self.send)

    def start(self) -> None:
        """Begin, in threads of its own."""
        self.reader.start()
        self.sender.start()

    def stop(self) -> None:
        """End; a batch that is on its way is finished first."""
        self.stopping.set()
        self.sender.join()
        if self.journalctl:
            self.journalctl.kill()

    def read(self) -> None:
        """Hand on one entry after the other; start again where journalctl ends."""
        since = f"--since=@{int(time.time() - self.config.max_age_seconds)}"
        after = f"--after-cursor={self.place.read_text()}" if self.place.exists() else since
        while not self.stopping.is_set():
            environment = {"PATH": os.defpath}  # and none of the libraries that this Python brought along
            with subprocess.Popen([*FOLLOW, after], stdout=subprocess.PIPE, env=environment) as self.journalctl:
                for line in self.journalctl.stdout or ():
                    self.healthy = True
                    entry = json.loads(line)
                    after = f"--after-cursor={entry['__CURSOR']}"
                    self.entries.put(entry)
            self.healthy = False
            self.stopping.wait(PATIENCE_SECONDS)

    def send(self) -> None:
        """Send batch after batch until stopped, each until Loki has it or will never take it."""
        while not self.stopping.is_set():
            batch = self.batch()
            if batch and self.deliver(batch):
                new = self.place.with_suffix(".new")
                new.write_text(batch[-1]["__CURSOR"])
                new.replace(self.place)

    def batch(self) -> list[dict[str, Any]]:
        """Gather what comes within a second."""
        found: list[dict[str, Any]] = []
        until = time.monotonic() + PATIENCE_SECONDS
        while len(found) < BATCH and (left := until - time.monotonic()) > 0:
            try:
                found.append(self.entries.get(timeout=left))
            except Empty:
                break
        self.counts["read"] += len(found)
        return found

    def deliver(self, batch: list[dict[str, Any]]) -> bool:
        """Push a batch; False when stopped before Loki answered for it."""
        streams: dict[str, list[list[str]]] = {}
        for entry in batch:
            labels, line = self.config.stream(entry), text(entry.get("MESSAGE"))
            if labels and line:
                values = streams.setdefault(json.dumps(labels), [])
                values.append([entry["__REALTIME_TIMESTAMP"] + "000", line])
        lines = sum(map(len, streams.values()))
        body = {"streams": [{"stream": json.loads(key), "values": values} for key, values in streams.items()]}
        while lines and (status := push(self.config.url, body)) // 100 != 2:
            if status // 100 == 4 and status != 429:
                self.counts["dropped"] += lines
                return True
            self.counts["retries"] += 1
            if self.stopping.wait(PATIENCE_SECONDS):
                return False
        self.counts["sent"] += lines
        return True


def text(message: Any) -> str:
    """Give a message as text: journalctl writes one that is not UTF-8 as a list of bytes."""
    return bytes(message).decode(errors="replace") if isinstance(message, list) else str(message or "")


def push(url: str, body: Any) -> int:
    """Send streams to Loki, and give the HTTP status; 0 when nobody answers."""
    content = json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
