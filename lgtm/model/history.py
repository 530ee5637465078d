"""The generations that are stored on a host, and its log: what a rollback can choose from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lgtm.model.errors import LgtmError, Refusal


@dataclass(frozen=True)
class Kept:
    """A generation that is stored on a host."""

    id: str
    made: int  # seconds since the epoch
    versions: Mapping[str, str]  # service → version
    artifacts: frozenset[str]  # directories
    periods: tuple[str, ...] = ()  # of Loki's schema, `2025-01-01 tsdb v13`
    patience: int = 0  # seconds that all its services may take to become ready


@dataclass(frozen=True)
class History:
    """The stored generations of one host, and its log. `good` are those that were committed, the newest last."""

    now: int
    current: str | None
    pending: str
    good: tuple[str, ...]
    kept: Mapping[str, Kept]
    artifacts: frozenset[str]  # directories that are present and intact
    log: tuple[Mapping[str, Any], ...] = field(repr=False)
    used: int = 0  # bytes below /opt/lgtm
    free: int = 0  # bytes, where that lies

    def target(self, id: str) -> Kept:
        """Give the generation that a rollback switches to: the one with this id, or the last good one for "".

        `history.target("g0123456789ab")`, `history.target("")`. Raises Refusal when a switch is under way, when there
        is no such generation, and when an artifact of it is missing or damaged.
        """
        if self.pending:
            raise Refusal("a switch is under way; it commits or reverts within minutes; run again then")
        if id and id not in self.kept:
            raise Refusal(f"to={id} is not a generation on this host; it has {', '.join(sorted(self.kept)) or 'none'}")
        good = [one for one in self.good if one != self.current and one in self.kept]
        if not id and not good:
            raise Refusal("there is no earlier good generation; --data list=true lists all generations")
        target = self.kept[id or good[-1]]
        if lost := sorted(target.artifacts - self.artifacts):
            raise Refusal(
                f"{target.id} needs {', '.join(lost)}, which is missing or damaged; deploy the release it was made from"
            )
        return target

    def outcome(self, id: str) -> tuple[str, str]:
        """Give who deployed a generation, and its outcome: `in force`, `good`, `left: <why>` or `never in force`."""
        entries = [one for one in self.log if id in (one.get("to"), one.get("from"))]
        made = [one for one in entries if id == one["from" if one["action"] == "revert" else "to"]]
        who = str(made[-1]["who"]) if made else "?"
        if id == self.current:
            return who, "in force"
        if id in self.good:
            return who, "good"
        last = next((one for one in reversed(entries) if one["from"] == id), None)
        return who, f"left: {last['outcome']}" if last else "never in force"


def parse(text: str) -> History:
    r"""Parse the output of `history.sh`: lines of a name and its values, tab-separated: `good\tg0123456789ab`.

    Raises LgtmError when the output is not that of `history.sh`.
    """
    rows: dict[str, list[list[str]]] = {}
    for row in (line.split("\t") for line in text.splitlines()):
        rows.setdefault(row[0], []).append(row[1:])
    if "current" not in rows:
        raise LgtmError(f"the host's generations could not be read; the output was: {text[:300]!r}")
    current = rows["current"][0][0]
    used, free = rows["used"][0]
    return History(
        now=int(rows["now"][0][0]),
        current=None if current == "-" else current,
        pending=rows.get("pending", [[""]])[0][0],
        good=tuple(row[0] for row in rows.get("good", [])),
        kept={id: _kept(id, int(made), rows) for id, made in rows.get("generation", [])},
        artifacts=frozenset(row[0] for row in rows.get("artifact", [])),
        log=tuple(json.loads(row[0]) for row in rows.get("log", [])),
        used=int(used or 0),
        free=int(free or 0),
    )


def _kept(id: str, made: int, rows: Mapping[str, list[list[str]]]) -> Kept:
    services = [row[1:] for row in rows.get("service", []) if row[0] == id]
    return Kept(
        id,
        made,
        {name: version for name, version, _, _ in services},
        frozenset(artifact for _, _, artifact, _ in services),
        tuple(row[1] for row in rows.get("schema", []) if row[0] == id),
        sum(int(seconds or 0) for _, _, _, seconds in services),
    )
