"""The options on pyinfra's command line: kept at the start, since greenlets have no click context."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lgtm.model.run import RUN, Options


def remember() -> None:
    """Keep the options of this run; config.py calls it, which runs in click's context."""
    context = click.get_current_context(silent=True)
    params = context.find_root().params if context else {}
    if params:
        operations = params.get("operations") or ("",)
        RUN.options = Options(
            inventory=str(params.get("inventory") or ""),
            script=Path(str(operations[0])).name,
            dry=bool(params.get("dry")),
            diff=bool(params.get("diff")),
        )


def options() -> Options:
    """Give the options of this run. Exits when pyinfra has not read config.py, which it looks for in `.` only."""
    if RUN.options is None:
        sys.exit("run pyinfra in the directory of config.py and group_data: cd there, and run again")
    return RUN.options
