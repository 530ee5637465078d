"""Finds the root cause of a failure: a known problem has an order of checks, causes first. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch

from lgtm.model.checks import Result


@dataclass(frozen=True)
class Problem:
    """A known complaint. `order` are patterns of check ids; an earlier one is a cause of the later ones.

    When none of these checks fails, the journals of `services` are shown instead.
    """

    id: str
    title: str
    order: tuple[str, ...]
    services: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """The root cause of a problem, and its other failing checks. `cause` is None when no check fails."""

    problem: Problem
    cause: Result | None
    others: tuple[Result, ...]
    looked: int


def diagnose(problem: Problem, results: Iterable[Result]) -> Finding:
    """Find a problem's root cause among the results of all hosts."""
    ranked = [(rank, result) for result in results if (rank := _rank(problem, result)) is not None]
    failing = [result for _, result in sorted((one for one in ranked if not one[1].ok), key=lambda one: one[0])]
    return Finding(problem, failing[0] if failing else None, tuple(failing[1:]), len(ranked))


def _rank(problem: Problem, result: Result) -> int | None:
    return next((at for at, pattern in enumerate(problem.order) if fnmatch(result.check.id, pattern)), None)
