"""Exit codes: one for each way in which a run can end, 130 for an interrupted run."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Any

import click

from lgtm.model.errors import Exit
from lgtm.model.run import RUN
from lgtm.shields.patch import around, cli, cli_errors, context


def _verdict() -> Exit:
    """The run's exit code; a failed host that is not accounted for counts as FAILED."""
    state = context.ctx_state.get()
    if state and state.initialised and {host.name for host in state.failed_hosts} - RUN.accounted:
        RUN.ends_with(Exit.FAILED)
    return RUN.exit_code


def exit_codes() -> None:
    """pyinfra exits 0 or 1, click 2 for usage: to a script, locked, refused, drift and a typo look alike."""
    click.UsageError.exit_code = Exit.USAGE

    @around(cli, "_exit")
    def _(_original: Any) -> None:
        sys.exit(_verdict())

    @around(cli_errors.WrappedError, "__init__")
    def _(original: Any, self: Any, error: Exception) -> None:
        original(self, error)
        if str(error).startswith(("No hosts remaining!", "Over ")):  # State.fail_hosts
            self.exit_code = _verdict()


def interrupts_exit_130() -> None:
    """Ctrl-C exits 0: a script takes an interrupted deploy for a finished one."""

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        click.echo("Interrupted: what runs on a host goes on there.", err=True)
        RUN.ends_with(Exit.INTERRUPTED)
        sys.exit(Exit.INTERRUPTED)

    signal.signal(signal.SIGINT, interrupt)


def interrupts_do_not_wait() -> None:
    """The greenlet pool is as large as the inventory: disconnecting waits in it for every running command."""

    @around(cli, "disconnect_all")
    def _(original: Any, state: Any) -> None:
        if RUN.exit_code is Exit.INTERRUPTED:
            state.pool.kill(timeout=5)
        original(state)
