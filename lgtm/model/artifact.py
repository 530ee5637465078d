"""An artifact that can be had: what it is, and how a host and its reports call it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STANDIN = "stand-in"  # the source of what is not the real program
MARK = "+standin"  # in the version of each, and so in its directory: a host says by itself that it runs one


@dataclass(frozen=True)
class Resolved:
    """An artifact that can be had: `sha256` is its identity, and either `path` or `url` says where it is."""

    name: str
    version: str
    arch: str
    sha256: str
    source: str
    locked: bool
    layout: str  # of what a host gets: tar (one top directory) | flat (tar without one) | binary
    path: Path | None
    url: str | None

    @property
    def directory(self) -> str:
        """Name the directory it has on a host."""
        return f"{self.name}-{self.version}-{self.sha256[:12]}"

    @property
    def label(self) -> str:
        """Say in reports how far it can be trusted."""
        if self.source == STANDIN:
            return STANDIN
        return "locked" if self.locked else f"unlocked: {self.source}"

    def __str__(self) -> str:
        return f"{self.name} {self.version} for {self.arch}"
