"""Operations: each is identified by its file, fails for its own host only, and never uses a failed fact."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

from pyinfra.api import command as commands
from pyinfra.api.util import PYINFRA_INSTALL_DIR
from pyinfra.connectors.util import CommandOutput

from lgtm.model.errors import Exit, LgtmError
from lgtm.model.run import RUN
from lgtm.shields.patch import around
from lgtm.shields.sentences import say

SHIELDS_DIR = f"{Path(__file__).parent}/"


def operations_know_their_file() -> None:
    """An operation is known by line numbers alone: modules called from one loop merge where lines agree."""

    @around(import_module("pyinfra.api.operation"), "get_operation_order_from_stack")
    def _(_original: Any, state: Any) -> list[int]:
        frames = [frame for frame, _ in traceback.walk_stack(sys._getframe(1))][::-1]
        files = [frame.f_code.co_filename for frame in frames]
        deploy = state.current_deploy_filename
        # In a callback at execute the deploy file is not on the stack: pyinfra numbers those by host.
        start = 0 if not deploy else files.index(deploy) if deploy in files else len(files)
        skipped = (PYINFRA_INSTALL_DIR, SHIELDS_DIR)
        ours = [frame for frame in frames[start:] if not frame.f_code.co_filename.startswith(skipped)]
        return [state.current_op_file_number, *map(_Line.of, ours)]


class _Line(int):
    """A line number that sorts as one, and is hashed (make_hash formats it) together with its file's name."""

    file = ""

    @classmethod
    def of(cls, frame: FrameType) -> _Line:
        line = cls(frame.f_lineno)
        line.file = frame.f_code.co_filename
        return line

    def __format__(self, spec: str) -> str:
        return f"{self.file}:{int(self)}"


def operations_fail_alone() -> None:
    """An exception in an operation at execute ends the run midway, for every host."""

    @around(import_module("pyinfra.api.operations"), "_run_host_op")
    def _(original: Any, state: Any, host: Any, op_hash: str) -> bool:
        operation = state.get_op_data_for_host(host, op_hash)
        operation.command_generator = partial(_failing_alone, operation.command_generator)
        succeeded: bool = original(state, host, op_hash)
        if not host.nested_executing_op_hash:  # a nested one's parent decides whether it counts
            code = RUN.failures.pop(host.name, Exit.FAILED)
            if not succeeded:
                RUN.ends_with(code)
                RUN.accounted.add(host.name)
        return succeeded

    def execute(failure: Any, original: Any, self: Any, state: Any, host: Any, arguments: Any) -> Any:
        try:
            return original(self, state, host, arguments)
        except (LgtmError, EOFError) as error:  # EOFError: paramiko's word for a lost SFTP connection
            _report(host, error)
            return failure

    around(commands.StringCommand, "execute")(partial(execute, (False, CommandOutput([]))))
    for kind in (commands.FunctionCommand, commands.FileUploadCommand, commands.FileDownloadCommand):
        around(kind, "execute")(partial(execute, False))


def _failing_alone(generator: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    try:
        yield from generator()
    except Exception as error:
        yield _Failed(error)


class _Failed(commands.PyinfraCommand):
    """A command that does nothing but fail, in the place of one that could not be made."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def execute(self, state: Any, host: Any, connector_arguments: Any) -> bool:
        _report(host, self.error)
        return False


def _report(host: Any, error: Exception) -> None:
    """Print why an operation fails on a host: the message of an error of ours, else the traceback."""
    if not isinstance(error, LgtmError):
        say("".join(traceback.format_exception(error)), host)
        return
    say(error, host)
    RUN.failures[host.name] = error.exit_code


def failed_facts_say_why() -> None:
    """A fact that fails prints all that it has read, and its arguments; a lost connection is not named."""
    facts = import_module("pyinfra.api.facts")

    @around(facts, "print_host_combined_output")
    def _(_original: Any, host: Any, output: CommandOutput) -> None:
        lost = "the host gave no answer, or the connection was lost: run again"
        say("\n".join(output.stderr_lines) or lost, host)

    @around(facts, "log_error_or_warning")
    def _(original: Any, host: Any, ignore_errors: bool, description: str = "", **kwargs: Any) -> None:
        original(host, ignore_errors, description=description.partition(" arguments=")[0], **kwargs)


def failed_facts_fail_the_operation() -> None:
    """A fact that fails at execute answers with its default: the operation acts on it and reports success."""

    @around(import_module("pyinfra.api.facts"), "log_error_or_warning")
    def _(original: Any, host: Any, ignore_errors: bool, **kwargs: Any) -> None:
        original(host, ignore_errors, **kwargs)
        if host.state.is_executing and not ignore_errors:
            raise LgtmError(f"{kwargs['description'].strip()}: the operation that needs it is not run")
