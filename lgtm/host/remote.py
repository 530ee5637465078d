"""Constant scripts run on a host: arguments quoted, content on standard input, errors as sentences."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import cast

from paramiko import SSHException
from pyinfra.api.arguments import ConnectorArguments
from pyinfra.api.command import FunctionCommand, QuoteString, StringCommand
from pyinfra.api.host import Host
from pyinfra.context import ctx_host

from lgtm.model.errors import Exit, LgtmError, Locked

SCRIPTS = Path(__file__).parent / "scripts"
TIMEOUT = 600  # seconds that a script may take


@cache
def script(name: str) -> str:
    """The text of `lgtm/host/scripts/<name>.sh`."""
    return (SCRIPTS / f"{name}.sh").read_text()


def command(name: str, arguments: Sequence[str] = ()) -> StringCommand:
    """The command that runs a script: its text is a constant, its arguments are quoted."""
    return StringCommand("sh", "-c", *(QuoteString(word) for word in (script(name), name, *arguments)))


def step(name: str, arguments: Sequence[str] = (), stdin: str = "") -> FunctionCommand:
    """What an operation yields to run a script on its host."""
    return FunctionCommand(lambda: run(ctx_host.get(), name, arguments, stdin), [], {})


def run(host: Host, name: str, arguments: Sequence[str] = (), stdin: str = "", timeout: int = TIMEOUT) -> str:
    """Run a script of `lgtm/host/scripts` as root and return its standard output.

    Raises LgtmError with what it printed on standard error, Locked for exit code 4. One remote command; the
    timeout is in seconds.
    """
    options = cast(
        ConnectorArguments, {"_sudo": host.data.get("_sudo", False), "_timeout": timeout, "_stdin": stdin + "\n"}
    )
    marked = StringCommand(command(name, arguments), "; echo exit=$?")
    try:
        _, output = host.run_shell_command(marked, **options)
    except TimeoutError:
        raise LgtmError(f"{host.name}: `{name}` gave no answer within {timeout} s; it may still run there") from None
    except (OSError, SSHException) as error:
        raise LgtmError(f"{host.name}: the connection was lost during `{name}` ({error}); run again") from None
    *lines, last = output.stdout_lines or [""]
    if last == "exit=0":
        return "\n".join(lines)
    said = "\n".join(output.stderr_lines) or "\n".join(lines) or "no answer"
    kind = Locked if last == f"exit={int(Exit.LOCKED)}" else LgtmError
    raise kind(f"{host.name}: {said}")


def encoded(texts: Iterable[str]) -> str:
    """Texts for a script's standard input, a line each."""
    return "".join(f"{base64.b64encode(text.encode()).decode()}\n" for text in texts)


def put(host: Host, path: Path, name: str) -> str:
    """Send a file to the login user's home, where every command starts; returns the name to use there."""
    if not host.put_file(str(path), name, _sudo=False):
        raise LgtmError(f"{host.name}: {path.name} could not be sent")
    return name
