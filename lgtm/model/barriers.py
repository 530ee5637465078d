"""Steps between versions that cannot be taken back, or not taken at once: what data one version can read of another."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Barrier:
    """From version `since` on (and before `until`), a service writes data that no version before `below` can read.

    `saved`: the service's own start keeps a copy of the data before the step, and puts it back on the way back. So
    the step is free, and the way back sets aside what was made since, which somebody has to want. `through`: a
    version that a step over `since` must not jump over.
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
    """Why a host must not go from some versions (service → version) to others; a sentence for each reason.

    `oneway` names the services for which somebody has said that there need be no way back.
    """
    return [
        sentence
        for barrier in barriers
        if barrier.service in old.keys() & new.keys()
        if (sentence := _finding(barrier, old[barrier.service], new[barrier.service], barrier.service in oneway))
    ]


def _finding(barrier: Barrier, old: str, new: str, accepted: bool) -> str:
    """Why this step must not be taken, or nothing; `wanted`: somebody has said that there need be no way back."""
    step, say = f"{barrier.service} {old} → {new}: {barrier.reason}", f"say --data oneway={barrier.service}"
    before, after = number(old), number(new)
    since, below = number(barrier.since), number(barrier.below or barrier.since)
    writes = since <= before and not (barrier.until and before >= number(barrier.until))
    will_write = since <= after and not (barrier.until and after >= number(barrier.until))
    if barrier.saved:
        return f"{step}; {say} if that is what you want" if after < before and not accepted else ""
    if barrier.through:
        jumps = before < number(barrier.through) and after >= since
        return f"{step}; deploy {barrier.through} first" if jumps else ""
    if writes and after < below:
        return f"{step}, so there is no way back; go forward, or restore a backup"
    if before < below and will_write and not accepted:
        return f"{step}, so there is no way back after it; {say} if that is what you want"
    return ""


def crossed(old: Mapping[str, str], new: Mapping[str, str], barriers: Iterable[Barrier]) -> set[str]:
    """The services that take a step, from some versions to others, after which there is no way back."""
    every = tuple(barrier for barrier in barriers if not barrier.saved)
    return {
        service
        for service in old.keys() & new.keys()
        if findings({service: new[service]}, {service: old[service]}, every)
    }


def set_aside(old: Mapping[str, str], new: Mapping[str, str], barriers: Iterable[Barrier]) -> list[str]:
    """What a step back has set aside, and how to get at it; a sentence each, to be said after it."""
    sentences = []
    for barrier in barriers:
        before, after = old.get(barrier.service, ""), new.get(barrier.service, "")
        if barrier.saved and before and after and number(after) < number(before):
            sentences.append(f"{barrier.service} {after} goes on with what it had; {barrier.aside.format(before)}")
    return sentences


def periods(old: Collection[str], new: Collection[str], today: str) -> list[str]:
    """Why a host must not lose periods of Loki's schema. Each is `2025-01-01 tsdb v13`; today is a day like that."""
    return [
        f"loki: logs are written with the schema period of {period.split()[0]} ({period.partition(' ')[2]}), "
        "which that generation does not know; they could not be read any more"
        for period in sorted(set(old) - set(new))
        if period.split()[0] <= today
    ]


def number(version: str) -> tuple[int, ...]:
    """`"v2.11.0+standin"` → (2, 11, 0); what follows the numbers does not count."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", version)
    parts = [int(part) for part in match[1].split(".")] if match else []
    return tuple((*parts, 0, 0, 0)[:3])
