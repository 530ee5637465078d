"""An artifact that was found in a source: what it is, its directory on a host, its label in reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STANDIN = "stand-in"  # the source of what is not the real program
MARK = "+standin"  # in the version of each, and so in its directory: a host says by itself that it runs one


@dataclass(frozen=True)
class Resolved:
    """An artifact that was found: `sha256` is its identity; its bytes are at `path` here, or at `url`."""

    name: str
    version: str
    arch: str
    sha256: str
    source: str
    pinned: bool  # by artifacts.lock
    layout: str  # of what a host gets: tar (one top directory) | flat (tar without one) | binary
    path: Path | None
    url: str | None

    @property
    def directory(self) -> str:
        """Give the name of its directory on a host."""
        return f"{self.name}-{self.version}-{self.sha256[:12]}"

    @property
    def label(self) -> str:
        """Give its provenance, as plans and reports show it: `pinned`, `unpinned: <source>` or `stand-in`."""
        if self.source == STANDIN:
            return STANDIN
        return "pinned" if self.pinned else f"unpinned: {self.source}"

    def __str__(self) -> str:
        return f"{self.name} {self.version} for {self.arch}"
