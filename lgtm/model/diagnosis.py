"""From what is not well to its cause: a known problem is an order in which to look. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch

from lgtm.model.checks import Result


@dataclass(frozen=True)
class Problem:
    """What people complain of. `order` are patterns of check ids, what comes first causes what comes later.

    `services` are those whose journals are the evidence when no check is to blame.
    """

    id: str
    title: str
    order: tuple[str, ...]
    services: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """A problem's cause, and what else is not well because of it; no cause: nothing that is known is to blame."""

    problem: Problem
    cause: Result | None
    others: tuple[Result, ...]
    looked: int


def diagnose(problem: Problem, results: Iterable[Result]) -> Finding:
    """Look at the results of all hosts in the problem's order."""
    ranked = [(rank, result) for result in results if (rank := _rank(problem, result)) is not None]
    failing = [result for _, result in sorted((one for one in ranked if not one[1].ok), key=lambda one: one[0])]
    return Finding(problem, failing[0] if failing else None, tuple(failing[1:]), len(ranked))


def _rank(problem: Problem, result: Result) -> int | None:
    return next((at for at, pattern in enumerate(problem.order) if fnmatch(result.check.id, pattern)), None)
