"""Lines of level warning and above in the services' journals: each is in the table of docs/journals.md, with a reason.

    ssh HOST sudo journalctl -b -u "'lgtm-*'" -o json | python -m tests.journals

Prints how often each kind of line came and why it stands there; exit 1 when one is not in the table.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "journals.md"
WARNING = 4  # syslog's number; smaller ones are graver
LEVEL = re.compile(
    r"""\b(?:level|lvl)=["']?(?:warn|warning|error|eror|crit|critical|fatal|panic)\b
    | "(?:level|severity)":\s*"(?:warn|warning|error|critical|fatal|panic)"
    | ^(?:panic|fatal\ error|runtime\ error):
    | ^[EWF]\d{4}\ \d\d:\d\d:\d\d""",  # klog, as in Grafana's API server
    re.IGNORECASE | re.VERBOSE,
)
VOLATILE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z?(?:[+-]\d\d:\d\d)?|\b[0-9a-f]{16,}\b|\d+(?:\.\d+)?(?:[mµn]?s\b)?")


@dataclass(frozen=True)
class Row:
    """A line that may stand there: words of it (`…` is anything) and the reason."""

    service: str  # or `any`
    words: str
    reason: str

    def fits(self, service: str, text: str) -> bool:
        pattern = ".*".join(re.escape(part) for part in self.words.split("…"))
        return self.service in ("any", service) and re.search(pattern, text, re.DOTALL) is not None


def table(page: str) -> list[Row]:
    """The rows of the page: | service | `words` | reason |."""
    rows = re.findall(r"^\| (\w+) \| `(.+?)` \| (.+) \|$", page, re.MULTILINE)
    return [Row(*(cell.replace(r"\|", "|") for cell in row)) for row in rows]


def severe(entries: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(service, text) of each entry at level warning and above: by its own words, or those of systemd about it."""
    found = []
    for entry in entries:
        text = entry.get("MESSAGE") or ""
        text = bytes(text).decode(errors="replace") if isinstance(text, list) else str(text)
        unit = str(entry.get("UNIT") or entry.get("_SYSTEMD_UNIT") or "")
        if int(entry.get("PRIORITY", 6)) <= WARNING or LEVEL.search(text):
            found.append((unit.removeprefix("lgtm-").removesuffix(".service"), text))
    return found


def unexplained(lines: Iterable[tuple[str, str]], rows: Iterable[Row]) -> list[tuple[str, str]]:
    known = list(rows)
    return [line for line in lines if not any(row.fits(*line) for row in known)]


def kinds(lines: Iterable[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """How often each line came; times and numbers do not make another line."""
    return Counter((service, VOLATILE.sub("…", text)[:400]) for service, text in lines)


def main() -> int:
    entries = [json.loads(line) for line in sys.stdin if line.strip()]
    if not entries:
        print("nothing was read: is there no such host, or may its journal not be read?")
        return 1
    lines = severe(entries)
    rows = table(PAGE.read_text())
    wrong = unexplained(lines, rows)
    for row in rows:
        if many := sum(row.fits(*line) for line in lines):
            print(f"{many:5}  {row.service}: {row.words}: {row.reason}")
    for (service, text), many in sorted(kinds(wrong).items()):
        print(f"{many:5}  ✗ {service}: {text}")
    print(f"{len(lines)} lines of level warning and above, {len(wrong)} of them not in {PAGE.name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
