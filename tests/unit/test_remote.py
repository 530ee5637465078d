"""What an operator reads when a script on a host fails, or no longer answers. The host is a plain double."""

from __future__ import annotations

from typing import Any

import pytest
from paramiko import SSHException

from lgtm.host import remote
from lgtm.model.errors import LgtmError, Locked


class Output:
    def __init__(self, stdout: str, stderr: str = "") -> None:
        self.stdout_lines, self.stderr_lines = stdout.splitlines(), stderr.splitlines()


class Host:
    """Answers every command with the same output, or raises."""

    name = "web1"

    def __init__(self, answer: Output | Exception) -> None:
        self.answer = answer
        self.data: dict[str, Any] = {"_sudo": True}

    def run_shell_command(self, command: object, **options: object) -> tuple[bool, Output]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return True, self.answer


def run(answer: Output | Exception) -> str:
    return remote.run(Host(answer), "unlock")  # type: ignore[arg-type]


def test_the_output_of_a_script_that_ends_well_is_returned() -> None:
    assert run(Output("one\ntwo\nexit=0\n")) == "one\ntwo"


@pytest.mark.parametrize(
    ("answer", "kind", "sentence"),
    [
        (Output("exit=4\n", "locked by anna@one\n"), Locked, "web1: locked by anna@one"),
        (Output("exit=1\n", "no space left\n"), LgtmError, "web1: no space left"),
        (Output("", "sudo: a password is required\n"), LgtmError, "web1: sudo: a password is required"),
        (Output(""), LgtmError, "web1: no answer"),
        (TimeoutError(), LgtmError, "web1: `unlock` did not end within 600 s"),
        (SSHException("closed"), LgtmError, "web1: the connection was lost during `unlock` (closed)"),
        (ConnectionResetError("reset"), LgtmError, "web1: the connection was lost during `unlock` (reset)"),
    ],
)
def test_a_failure_is_a_sentence_that_names_the_host(
    answer: Output | Exception, kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind) as raised:
        run(answer)
    assert str(raised.value).startswith(sentence)
