"""Barriers: changes of version that are one-way or not allowed, since one version cannot read another's data."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Barrier:
    """From version `since` on (and before `until`), a service writes data that no version before `below` can read.

    `saved`: the service's start saves a copy of the data before the change, and restores it on a return to the old
    version. The change is then allowed; the return needs `oneway`, because it sets aside what was made since.
    `through`: a version that must not be skipped on the way over `since`.
    """

    service: str
    since: str
    reason: str
    below: str = ""  # the same as `since` when empty
    until: str = ""  # for ever when empty
    saved: bool = False
    through: str = ""
    aside: str = ""  # where what is set aside lies, `{}` being the version that made it


def findings(
    old: Mapping[str, str], new: Mapping[str, str], barriers: Iterable[Barrier], oneway: Collection[str] = ()
) -> list[str]:
    """Give the reasons why a host must not change from old to new versions (service → version), a message each.

    `oneway` are the services whose one-way changes the operator has accepted.

        findings({"tempo": "2.6.1"}, {"tempo": "3.0.3"}, BARRIERS)  # ["tempo 2.6.1 → 3.0.3: …"]
    """
    return [
        sentence
        for barrier in barriers
        if barrier.service in old.keys() & new.keys()
        if (sentence := _finding(barrier, old[barrier.service], new[barrier.service], barrier.service in oneway))
    ]


def _finding(barrier: Barrier, old: str, new: str, accepted: bool) -> str:
    """The reason why this change is refused; empty if it is not. `accepted`: the operator accepts a one-way change."""
    step, say = f"{barrier.service} {old} → {new}: {barrier.reason}", f"accept it with --data oneway={barrier.service}"
    before, after = number(old), number(new)
    since, below = number(barrier.since), number(barrier.below or barrier.since)
    writes = since <= before and not (barrier.until and before >= number(barrier.until))
    will_write = since <= after and not (barrier.until and after >= number(barrier.until))
    if barrier.saved:
        return f"{step}; {say}" if after < before and not accepted else ""
    if barrier.through:
        jumps = before < number(barrier.through) and after >= since
        return f"{step}; deploy {barrier.through} first" if jumps else ""
    if writes and after < below:
        return f"{step}, so this version cannot read the data; deploy a newer one, or restore a backup"
    if before < below and will_write and not accepted:
        return f"{step}, so this is a one-way change; {say}"
    return ""


def crossed(old: Mapping[str, str], new: Mapping[str, str], barriers: Iterable[Barrier]) -> set[str]:
    """Give the services whose change from old to new versions is one-way."""
    every = tuple(barrier for barrier in barriers if not barrier.saved)
    return {
        service
        for service in old.keys() & new.keys()
        if findings({service: new[service]}, {service: old[service]}, every)
    }


def set_aside(old: Mapping[str, str], new: Mapping[str, str], barriers: Iterable[Barrier]) -> list[str]:
    """Give a message for each service whose rollback sets data aside: what, and where it is now."""
    sentences = []
    for barrier in barriers:
        before, after = old.get(barrier.service, ""), new.get(barrier.service, "")
        if barrier.saved and before and after and number(after) < number(before):
            sentences.append(
                f"{barrier.service} {after} continues with its earlier data; {barrier.aside.format(before)}"
            )
    return sentences


def periods(old: Collection[str], new: Collection[str], today: str) -> list[str]:
    """Give the reasons why a host must not lose periods of Loki's schema.

    A period is `2025-01-01 tsdb v13`, `today` is `2025-01-01`. Periods that start later have no logs, and may go.
    """
    return [
        f"loki: logs are written with the schema period of {period.split()[0]} ({period.partition(' ')[2]}), "
        "which that generation does not have; it could not read those logs"
        for period in sorted(set(old) - set(new))
        if period.split()[0] <= today
    ]


def number(version: str) -> tuple[int, ...]:
    """Parse a version into three numbers: `"v2.11.0+standin"` → (2, 11, 0). Text behind the numbers is ignored."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", version)
    parts = [int(part) for part in match[1].split(".")] if match else []
    return tuple((*parts, 0, 0, 0)[:3])
