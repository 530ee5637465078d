"""The command line: refused flags, `--data` as it was typed, and the working directory."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any, get_type_hints

import click
from pyinfra.connectors.ssh import ConnectorData

from lgtm.model.clivalue import CliValue
from lgtm.model.errors import Usage
from lgtm.shields.connection import NOPASSWD
from lgtm.shields.patch import around, cli

REFUSED_FLAGS = {
    "no_wait": "pyinfra ignores failures with it",
    "serial": "pyinfra continues with the next host after a failure; run host by host with --limit",
    "use_sudo_password": NOPASSWD,
    "same_sudo_password": NOPASSWD,
}

_NOT_TEXT = {name for name, kind in get_type_hints(ConnectorData).items() if kind is not str}  # such as ssh_port


def refuse_flags() -> None:
    """`--no-wait` forgets failures, `--serial` goes on after one, sudo passwords end up in argument lists."""
    running = click.get_current_context(silent=True)
    for flag, reason in REFUSED_FLAGS.items():
        if running and running.params.get(flag):
            raise Usage(f"--{flag.replace('_', '-')} is refused: {reason}")


def this_directory_comes_first() -> None:
    """The working directory is last on Python's path: the `tasks` of another, installed checkout would be used."""
    sys.path.insert(0, os.getcwd())


def data_stays_as_typed() -> None:
    """`--data` guesses types: version=3.10 becomes 3.1, sha=123e4567 infinity; without `=`: a traceback."""

    @around(cli, "_set_override_data")
    def _(original: Any, data: Iterable[str], *ssh: Any) -> dict[str, Any]:
        for argument in data:
            if "=" not in argument:
                raise Usage(f"--data {argument}: expected key=value")
        typed = dict(argument.split("=", 1) for argument in data)
        # pyinfra's own arguments are no settings of ours: as a string, `_sudo=false` would switch sudo on,
        # and its connector refuses `ssh_port=22`.
        guessed = [key for key in typed if key.startswith("_") or key in _NOT_TEXT]
        parsed = original([f"{key}={typed[key]}" for key in guessed], *ssh)
        return {**{key: CliValue(value) for key, value in typed.items()}, **parsed}
