"""What this run has come to so far: the most severe exit code anybody recorded."""

from __future__ import annotations

from lgtm.model.errors import Exit

SEVERITY = (Exit.OK, Exit.PENDING, Exit.REFUSED, Exit.LOCKED, Exit.FAILED, Exit.USAGE, Exit.INTERRUPTED)

_recorded: list[Exit] = []


def record(code: Exit) -> None:
    """Add one finding; a milder one never hides a worse one."""
    _recorded.append(code)


def current() -> Exit:
    """The most severe code recorded; OK before anything is."""
    return max(_recorded, key=SEVERITY.index, default=Exit.OK)


def reset() -> None:
    """Forget everything recorded."""
    _recorded.clear()
