"""What was asked for on pyinfra's command line: kept at the start, since click's context ends at a greenlet."""

from __future__ import annotations

import sys
from typing import Any

import click

_given: dict[str, Any] = {}


def remember() -> None:
    """Keep the flags of this run; called by config.py, which runs where click's context is."""
    context = click.get_current_context(silent=True)
    _given.update(context.find_root().params if context else {})


def require() -> None:
    """Stop a run whose config.py pyinfra has not read: it reads the one of the directory where it is called."""
    if not _given:
        sys.exit("call pyinfra in the directory that config.py and group_data are in: cd there, and run again")


def flag(name: str) -> Any:
    """A flag or argument of this run, such as `dry`; None when there is none."""
    return _given.get(name)
