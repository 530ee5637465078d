"""What is wrong with what a browser shows. No browser is needed to judge it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

NOTHING = ("No data", "No logs found", "No results", "0 series returned")
# Lines of the console that stand there although all is well: pattern → reason.
HARMLESS: dict[str, str] = {}


@dataclass(frozen=True)
class Finding:
    """Something wrong: `where` is the page, `what` says which part of it and how."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class Panel:
    """A panel as it stands on the page."""

    title: str
    text: str = ""
    error: str = ""  # what its red mark says
    loading: bool = False

    @property
    def empty(self) -> bool:
        return any(words in self.text for words in NOTHING)


def of_panels(
    where: str, shown: Iterable[Panel], expected: Collection[str] = (), may_be_empty: Collection[str] = ()
) -> list[Finding]:
    """Panels with an error, without data, still loading, or not drawn at all."""
    panels = {panel.title: panel for panel in shown}
    found = [Finding(where, f"panel {title!r} is not drawn") for title in expected if title not in panels]
    for panel in panels.values():
        if panel.error:
            found.append(Finding(where, f"panel {panel.title!r}: {panel.error}"))
        elif panel.loading:
            found.append(Finding(where, f"panel {panel.title!r} is still loading"))
        elif panel.empty and panel.title not in may_be_empty:
            found.append(Finding(where, f"panel {panel.title!r} has no data"))
    return found


def of_console(where: str, lines: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """Errors in the browser's console, failed requests among them."""
    severe = [str(line["message"]) for line in lines if line["level"] == "SEVERE"]
    wrong = [line for line in severe if not any(re.search(pattern, line) for pattern in HARMLESS)]
    return [Finding(where, f"console: {line}") for line in dict.fromkeys(wrong)]


def of_requests(where: str, urls: Iterable[str], own: str) -> list[Finding]:
    """Requests that the page made to anybody but Grafana itself. Paths are left out: they are of no use here."""
    asked = {urlsplit(url) for url in urls}
    foreign = {f"{url.scheme}://{url.netloc}" for url in asked if url.scheme in ("http", "https", "ws", "wss")}
    foreign -= {f"{scheme}://{urlsplit(own).netloc}" for scheme in ("http", "https", "ws", "wss")}
    return [Finding(where, f"the page asks {one}") for one in sorted(foreign)]
