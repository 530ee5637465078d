"""What was asked for on pyinfra's command line: kept at the start, since click's context ends at a greenlet."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lgtm.model.run import RUN, Options


def remember() -> None:
    """Keep the options of this run; called by config.py, which runs where click's context is."""
    context = click.get_current_context(silent=True)
    given = context.find_root().params if context else {}
    if given:
        operations = given.get("operations") or ("",)
        RUN.options = Options(
            inventory=str(given.get("inventory") or ""),
            script=Path(str(operations[0])).name,
            dry=bool(given.get("dry")),
            diff=bool(given.get("diff")),
        )


def options() -> Options:
    """The options of this run. Ends it when pyinfra has not read config.py: it reads that of its working directory."""
    if RUN.options is None:
        sys.exit("call pyinfra in the directory that config.py and group_data are in: cd there, and run again")
    return RUN.options
