"""How outcomes, numbers and times are written for people."""

from __future__ import annotations

import time

OUTCOMES = {
    0: "succeeded", 1: "failed", 2: "changes pending", 3: "refused", 4: "locked by another run", 64: "wrong usage",
    130: "interrupted",
}  # fmt: skip


def counted(number: int, noun: str) -> str:
    """`1 file`, `2 files`, `2 switches`, `2 directories`; a noun of two words counts its last one."""
    if number == 1:
        return f"1 {noun}"
    if noun.endswith("y"):
        return f"{number} {noun[:-1]}ies"
    return f"{number} {noun}{'es' if noun.endswith(('ch', 's')) else 's'}"


def lasting(seconds: float) -> str:
    """A duration in its largest unit of which there are two: `90 s`, `3 min`, `2 h`, `5 days`."""
    whole = max(0, int(seconds))
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if whole >= 2 * size:
            return f"{whole // size} {unit}"
    return f"{whole} s"


def when(seconds: float) -> str:
    """A time in seconds since the epoch, in UTC: `2025-01-31 12:00:00 UTC`."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
