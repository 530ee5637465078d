"""Asking: one remote command a round, writes before the questions about them, secrets on standard input only."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from lgtm.host import asking, remote
from lgtm.host.asking import Question
from lgtm.model.checks import Answer, Bad, Check, NotYet, Write
from lgtm.model.secrets import Secret

URL = "http://127.0.0.1:1/"


class Host:
    name = "one"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The lines of each remote command; whatever is asked, the answer counts up."""
    commands: list[list[str]] = []
    counter = iter(range(100))

    def run(host: Any, name: str, arguments: Any = (), stdin: str = "") -> str:
        assert name == "ask" and not arguments
        commands.append(stdin.splitlines())
        return "\n".join(line for line in commands[-1] if not line.startswith("."))

    def answers(said: str, many: int) -> list[Answer]:
        assert many == len(said.splitlines())
        return [Answer(503 if line.endswith("/refuses") else 200, str(next(counter))) for line in said.splitlines()]

    monkeypatch.setattr(remote, "run", run)
    monkeypatch.setattr(asking, "answers", answers)
    monkeypatch.setattr(asking, "PAUSE", 0)
    return commands


def check(judge: Callable[[Answer], str] = lambda answer: answer.body, **parts: Any) -> tuple[str, Check]:
    return "alpha", Check(id="alpha.x", title="X", url=URL, judge=judge, remedy="mend it", **parts)


def test_a_question_is_a_line_and_a_secret_is_sent_along_with_it(asked: list[list[str]]) -> None:
    [result] = asking.ask(Host(), [check(user="me", secret="alpha/token")], {"alpha/token": Secret("s3 cret")})  # type: ignore[arg-type]
    assert asked == [[f"me alpha/token {encoded('s3 cret')} - {URL}"]]
    assert result.ok and result.found == "0"


def test_a_check_that_writes_asks_writes_and_asks_again_in_one_command(asked: list[list[str]]) -> None:
    writing = check(lambda answer: f"{answer.before} → {answer.body}", write=Write("http://127.0.0.1:2/push", "{}"))
    [result] = asking.ask(Host(), [writing])  # type: ignore[arg-type]
    barrier = ". - - - -"
    assert asked == [[f"- - - - {URL}", barrier, f"- - - {encoded('{}')} http://127.0.0.1:2/push", barrier, f"- - - - {URL}"]]  # fmt: skip  # noqa: E501
    assert result.found == "0 → 2" and result.check.write is None


def test_what_was_there_before_is_remembered_while_it_is_waited_for(asked: list[list[str]]) -> None:
    def later(answer: Answer) -> str:
        if int(answer.body) < 4:
            raise NotYet("not yet")
        return f"{answer.before} → {answer.body}"

    told: list[Any] = []
    writing = check(later, write=Write("http://127.0.0.1:2/push", "{}"), settles=5)
    [result] = asking.await_all(Host(), [writing], 0, told.append)  # type: ignore[arg-type]
    assert result.found == "0 → 4" and [len(one) for one in asked] == [5, 1, 1]
    assert told == [["alpha.x"], []]


def test_a_write_that_is_refused_is_the_finding(asked: list[list[str]]) -> None:
    [result] = asking.ask(Host(), [check(write=Write("http://127.0.0.1:2/refuses", "{}"))])  # type: ignore[arg-type]
    assert not result.ok and result.found == "what it is sent is not taken: HTTP 503: 1"


def test_the_first_of_several_urls_that_is_not_well_speaks_for_all(asked: list[list[str]]) -> None:
    def odd(answer: Answer) -> str:
        if answer.body == "1":
            raise Bad("one is bad")
        return "good"

    [result] = asking.ask(Host(), [check(odd, also=("http://127.0.0.1:3/", "http://127.0.0.1:4/"))])  # type: ignore[arg-type]
    assert len(asked[0]) == 3 and not result.ok and result.found == "one is bad"


def test_nothing_to_ask_is_no_command(asked: list[list[str]]) -> None:
    assert asking.ask(Host(), []) == [] and asked == []  # type: ignore[arg-type]
    assert str(Question(URL)) == f"- - - - {URL}"
