"""Runs constant scripts on a host: arguments are quoted, content is standard input, errors are messages."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import cast

from paramiko import SSHException
from pyinfra.api.arguments import ConnectorArguments
from pyinfra.api.command import FunctionCommand, QuoteString, StringCommand
from pyinfra.api.host import Host
from pyinfra.context import ctx_host

from lgtm.model.errors import Exit, LgtmError, Locked
from lgtm.model.secrets import MASK

SCRIPTS = Path(__file__).parent / "scripts"
TIMEOUT = 600  # seconds that a script may take


@cache
def script(name: str) -> str:
    """Give the text of `lgtm/host/scripts/<name>.sh`."""
    return (SCRIPTS / f"{name}.sh").read_text()


class HiddenInput:
    """Standard input of a fact: pyinfra prints the arguments of facts at -v, and this as a mask."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __iter__(self) -> Iterator[str]:
        return iter((self._text,))

    def readlines(self) -> list[str]:
        """What pyinfra sends to the host."""
        return list(self)

    def __repr__(self) -> str:
        return MASK


def command(name: str, arguments: Sequence[str] = ()) -> StringCommand:
    """Give the command that runs a script: a constant text with quoted arguments."""
    return StringCommand("sh", "-c", *(QuoteString(word) for word in (script(name), name, *arguments)))


def step(name: str, arguments: Sequence[str] = (), stdin: str = "") -> FunctionCommand:
    """Give the command that an operation yields to run a script on its host."""
    return FunctionCommand(lambda: run(ctx_host.get(), name, arguments, stdin), [], {})


def run(host: Host, name: str, arguments: Sequence[str] = (), stdin: str = "", timeout: int = TIMEOUT) -> str:
    """Run a script of `lgtm/host/scripts` as root and give its standard output: one remote command.

    `timeout` in seconds. Raises Locked for exit code 4, and LgtmError for any other failure, with the script's
    standard error; also when the connection is lost or the timeout ends.

        remote.run(host, "renew", ["anna@laptop"])
    """
    options = cast(
        ConnectorArguments, {"_sudo": host.data.get("_sudo", False), "_timeout": timeout, "_stdin": stdin + "\n"}
    )
    marked = StringCommand(command(name, arguments), "; echo exit=$?")
    try:
        _, output = host.run_shell_command(marked, **options)
    except TimeoutError:
        raise LgtmError(f"{host.name}: `{name}` did not end within {timeout} s; it may still run there") from None
    except (OSError, SSHException) as error:
        raise LgtmError(f"{host.name}: the connection was lost during `{name}` ({error}); run again") from None
    *lines, last = output.stdout_lines or [""]
    if last == "exit=0":
        return "\n".join(lines)
    reason = "\n".join(output.stderr_lines) or "\n".join(lines) or "no answer"
    kind = Locked if last == f"exit={int(Exit.LOCKED)}" else LgtmError
    raise kind(f"{host.name}: {reason}")


def encoded(texts: Iterable[str]) -> str:
    """Encode texts for a script's standard input: base64, one per line."""
    return "".join(f"{base64.b64encode(text.encode()).decode()}\n" for text in texts)


def put(host: Host, path: Path, name: str) -> str:
    """Send a file to the login user's home, where every command starts, and give its name. Raises LgtmError."""
    if not host.put_file(str(path), name, _sudo=False):
        raise LgtmError(f"{host.name}: {path.name} could not be sent")
    return name
