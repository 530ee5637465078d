"""A STAND-IN for Grafana Alloy 1.20: not Alloy, but it ships the journal of its host to Loki.

It reads Alloy's own configuration file, as far as one journal, its relabelling and one Loki go, listens on the same
port and keeps its place in the same directory. The journal is read by the host's `journalctl`. Alloy notes its place
when a line is handed on; the stand-in when Loki has it, so it may lose less than the real one.
"""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from . import common
from .common import ConfigError, Reply, Request

VERSION = "1.20.1+standin"
LABEL = f"Alloy stand-in, version {VERSION}"
LEVELS = ("emerg", "alert", "crit", "error", "warning", "notice", "info", "debug")
# Without `--merge` it looks for this boot's id, which the service's sandbox hides.
FOLLOW = ("journalctl", "--follow", "--merge", "--all", "--quiet", "--no-tail", "--output=json")
BATCH, WAIT_SECONDS = 500, 1.0
KIND = {"Content-Type": common.JSON}


@dataclass(frozen=True)
class Config:
    """What the stand-in needs from the file; `rules` are the attributes of the relabelling rules."""

    url: str
    external: dict[str, str]
    labels: dict[str, str]
    max_age_seconds: int
    rules: tuple[dict[str, Any], ...]
    components: int
    text: str

    def stream(self, entry: dict[str, Any]) -> dict[str, str] | None:
        """Return the labels of an entry of the journal, or None if a rule drops it."""
        labels = {f"__journal_{name.lower()}": str(value) for name, value in entry.items()} | self.labels
        priority = str(entry.get("PRIORITY", ""))
        labels["__journal_priority_keyword"] = LEVELS[int(priority)] if priority else ""
        if not all(relabel(rule, labels) for rule in self.rules):
            return None
        return self.external | {name: value for name, value in labels.items() if value and name[:2] != "__"}


def relabel(rule: dict[str, Any], labels: dict[str, str]) -> bool:
    """Change the labels by one rule. False if the line is dropped."""
    value = ";".join(labels.get(name, "") for name in rule.get("source_labels", ()))
    match = re.fullmatch(rule.get("regex", "(.*)"), value, re.DOTALL)
    if rule.get("action", "replace") != "replace":
        return bool(match) is (rule["action"] == "keep")
    if match:
        replacement = rule.get("replacement", "$1")
        labels[rule["target_label"]] = re.sub(r"\$(\d)", lambda group: match[int(group[1])] or "", replacement)
    return True


def load(path: Path) -> Config:
    """Read the file. ConfigError if something is missing that the stand-in needs."""
    text = path.read_text()
    blocks = {
        name: body for name, body in re.findall(r'^([\w.]+) (?:"\w+" )?\{\n(.*?)^\}$', text, re.MULTILINE | re.DOTALL)
    }
    try:
        source, relabelling, write = (blocks[f"loki.{name}"] for name in ("source.journal", "relabel", "write"))
        return Config(
            url=attributes(write)["url"],
            external=attributes(write).get("external_labels", {}),
            labels=attributes(source).get("labels", {}),
            max_age_seconds=int(attributes(source)["max_age"].removesuffix("s")),
            rules=tuple(attributes(rule) for rule in re.findall(r"\trule \{\n(.*?)\n\t\}", relabelling, re.DOTALL)),
            components=sum("." in name for name in blocks),
            text=text,
        )
    except (KeyError, ValueError) as error:
        raise ConfigError(f"the stand-in cannot read it: {error!r}") from error


def attributes(body: str) -> dict[str, Any]:
    """Read the attributes in a block: texts, lists of texts, and objects of texts."""
    found = re.findall(r"^\s*(\w+)\s*=\s*(.+)$", body, re.MULTILINE)
    return {name: value(text) for name, text in found if text[0] in '"{' or text[:2] == '["'}


def value(text: str) -> Any:
    return json.loads(re.sub(r'(\w+) = (?=")', r'"\1": ', text) if text[0] == "{" else text)


class Shipper:
    """Follows the journal from where Loki has it, for ever; `counts` are totals since the start."""

    def __init__(self, path: Path, place: Path) -> None:
        self.path, self.place, self.config = path, place, load(path)
        self.loaded, self.stamp = True, time.time()
        self.counts: Counter[str] = Counter()
        self.healthy = True
        self.stopping = threading.Event()
        self.entries: Queue[dict[str, Any]] = Queue(2 * BATCH)
        self.journalctl: subprocess.Popen[bytes] | None = None

    def reload(self) -> str:
        """Read the file again. Return what is wrong with it; the old one stays in force then."""
        try:
            self.config, self.loaded, self.stamp = load(self.path), True, time.time()
        except (ConfigError, OSError) as error:
            self.loaded = False
            return str(error)
        return ""

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
            self.stopping.wait(WAIT_SECONDS)

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
        until = time.monotonic() + WAIT_SECONDS
        while len(found) < BATCH and (left := until - time.monotonic()) > 0:
            try:
                found.append(self.entries.get(timeout=left))
            except Empty:
                break
        return found

    def deliver(self, batch: list[dict[str, Any]]) -> bool:
        """Push a batch. False if stopped before Loki answered for it."""
        streams: dict[str, list[list[str]]] = {}
        for entry in batch:
            labels, line = self.config.stream(entry), message(entry.get("MESSAGE"))
            if labels and line:
                streams.setdefault(json.dumps(labels), []).append([entry["__REALTIME_TIMESTAMP"] + "000", line])
        lines = sum(map(len, streams.values()))
        body = json.dumps({"streams": [{"stream": json.loads(key), "values": each} for key, each in streams.items()]})
        while lines and (status := common.fetch(self.config.url, body.encode(), KIND).status) // 100 != 2:
            if status // 100 == 4 and status != 429:
                self.counts["dropped"] += lines
                return True
            self.counts["retries"] += 1
            if self.stopping.wait(WAIT_SECONDS):
                return False
        self.counts["sent"] += lines
        return True

    def answer(self, request: Request) -> Reply:
        """Answer under Alloy's paths."""
        if request.path == "/-/reload":
            wrong = self.reload()
            return common.text(wrong or "config reloaded", 400 if wrong else 200)
        if request.path == "/metrics":
            return common.metrics(self.metrics())
        pages = {"/-/ready": "Alloy is ready.", "/": LABEL}
        return common.text(pages[request.path]) if request.path in pages else common.NOT_FOUND

    def metrics(self) -> dict[str, float]:
        """Return its counts under Alloy's names."""
        health, digest = (
            "healthy" if self.healthy else "unhealthy",
            hashlib.sha256(self.config.text.encode()).hexdigest(),
        )
        return {
            f'alloy_build_info{{version="{VERSION}"}}': 1,
            f'alloy_config_hash{{sha256="{digest}"}}': 1,
            "alloy_config_last_load_successful": int(self.loaded),
            "alloy_config_last_load_success_timestamp_seconds": self.stamp,
            f'alloy_component_controller_running_components{{health_type="{health}"}}': self.config.components,
            "loki_write_sent_entries_total": self.counts["sent"],
            'loki_write_dropped_entries_total{reason="ingester_error"}': self.counts["dropped"],
            "loki_write_batch_retries_total": self.counts["retries"],
        }


def message(value: Any) -> str:
    """Return a message as text: journalctl writes one that is not UTF-8 as a list of bytes."""
    return bytes(value).decode(errors="replace") if isinstance(value, list) else str(value or "")


def main(words: Sequence[str]) -> int:
    """Run a command: `run … FILE`, `validate … FILE`, `--version`."""
    if list(words) == ["--version"]:
        print(LABEL)
        return 0
    given, path = common.flags(words[1:-1]), Path(words[-1])
    try:
        if words[0] == "validate":
            load(path)
            return common.complain(f"{LABEL}: only the real program knows whether it is a valid configuration", 0)
        return run(Shipper(path, Path(given["storage.path"]) / "cursor"), given["server.http.listen-addr"])
    except (ConfigError, KeyError, OSError, ValueError) as error:
        return common.complain(f"Error: {path}: {error} ({LABEL})", 1)


def run(shipper: Shipper, address: str) -> int:
    """Serve until told to stop; a batch that is on its way is finished first."""
    stopping = common.stopped()
    signal.signal(signal.SIGHUP, lambda *_: shipper.reload() and None)
    common.serve(common.Server(common.address(address), shipper.answer))
    threading.Thread(target=shipper.read, daemon=True).start()
    sender = threading.Thread(target=shipper.send)
    sender.start()
    stopping.wait()
    shipper.stopping.set()
    sender.join()
    if shipper.journalctl:
        shipper.journalctl.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
