"""From what is not well to its cause."""

from __future__ import annotations

import pytest

from lgtm.load.plugins import problems
from lgtm.model.checks import Check, Result
from lgtm.model.diagnosis import Problem, diagnose

PROBLEM = Problem("p", "It does not work", ("a.owners", "a.*", "b.ready"), ("a",))


def result(id: str, ok: bool, host: str = "one") -> Result:
    return Result(
        host, id.partition(".")[0], Check(id=id, title=id, url="", judge=lambda answer: "", remedy="mend it"), ok, "x"
    )


def test_the_first_in_order_is_the_cause_whatever_the_order_of_the_answers() -> None:
    found = diagnose(PROBLEM, [result("b.ready", False, "two"), result("a.active", False), result("a.owners", False)])
    assert found.cause and found.cause.check.id == "a.owners"
    assert [one.check.id for one in found.others] == ["a.active", "b.ready"]


def test_what_is_well_or_about_something_else_is_no_cause() -> None:
    found = diagnose(PROBLEM, [result("a.active", True), result("c.ready", False)])
    assert (found.cause, found.others, found.looked) == (None, (), 1)


@pytest.mark.parametrize("id", ["volumes", "remote_write", "mails", "targets", "logs", "traces"])
def test_every_problem_people_know_has_an_order(id: str) -> None:
    [problem] = [one for one in problems() if one.id == id]
    assert len(problem.order) > 3 and problem.title
