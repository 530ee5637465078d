"""Checks: judging is pure, a bad answer is a sentence, and the outside world only warns."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sites import ALL, make_site

from lgtm.host import asking
from lgtm.load.plugins import tasks
from lgtm.model.checks import Answer, Bad, Check, Result, data_of, judge, ready

READY = ready("alpha", "http://127.0.0.1:9001/ready", 45)


def test_a_service_is_ready_when_it_answers_200() -> None:
    result = judge("web1", "alpha", READY, Answer(200, "whatever"))
    assert (result.ok, result.verdict, result.found) == (True, "ok", "200")
    assert (READY.id, READY.gate, READY.patience) == ("alpha.ready", "own", 45)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (Answer(503, "not yet\n"), "HTTP 503: not yet"),
        (Answer(0, "connection refused"), "connection refused"),
        (Answer(204, ""), "HTTP 204: "),
    ],
)
def test_anything_else_is_quoted(answer: Answer, found: str) -> None:
    result = judge("web1", "alpha", READY, answer)
    assert (result.ok, result.verdict, result.found) == (False, "failed", found)


@pytest.mark.parametrize(("gate", "verdict"), [("own", "failed"), ("peer", "failed"), ("world", "warning")])
def test_only_the_outside_world_is_forgiven(gate: str, verdict: str) -> None:
    check: Check = replace(READY, gate=gate)
    assert judge("web1", "alpha", check, Answer(500, "")).verdict == verdict


def test_what_a_stand_in_answers_proves_nothing_but_can_fail() -> None:
    result = Result("one", "alpha", ready("alpha", "http://127.0.0.1:1/"), True, "200", stand_in=True)
    assert result.verdict == "unproved"
    assert replace(result, ok=False).verdict == "failed"


def test_an_answer_that_is_no_json_is_quoted() -> None:
    with pytest.raises(Bad, match=r"^HTTP 502, not JSON: '<html>'$"):
        Answer(502, "<html>").json()


def test_the_data_of_an_api_answer_is_found() -> None:
    body = json.dumps({"status": "success", "data": {"result": [{"metric": {}, "value": [0, "1"]}]}})
    assert data_of(Answer(200, body))["result"] == [{"metric": {}, "value": [0, "1"]}]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, '{"status": "error", "error": "parse error"}', "HTTP 400: parse error"),
        (200, '{"status": "error", "error": "too many"}', "HTTP 200: too many"),
        (500, '{"status": "success", "data": {"result": []}}', "HTTP 500: "),
    ],
)
def test_a_query_that_failed_says_why(status: int, body: str, said: str) -> None:
    with pytest.raises(Bad, match=f"^{said}"):
        data_of(Answer(status, body))


@pytest.mark.parametrize("service", ALL)
@pytest.mark.parametrize("answer", [Answer(0, "refused"), Answer(500, "oops"), Answer(200, "{}")])
def test_no_real_check_is_content_with_nonsense(service: str, answer: Answer) -> None:
    site = make_site()
    for check in tasks()[service].checks(site.here.services[service], site):
        if check.judge is not READY.judge or answer.status != 200:
            assert not _content(check, answer), check.id


def _content(check: Check, answer: Answer) -> bool:
    return judge("web1", "any", check, answer).ok


def test_an_answer_of_another_shape_than_asked_is_a_finding_and_no_traceback() -> None:
    check = Check(
        id="a.b", title="A", url="http://127.0.0.1/", judge=lambda one: str(data_of(one)["result"]), remedy="mend it"
    )
    result = judge("web1", "a", check, Answer(200, '["not", "an", "object"]'))
    assert not result.ok
    assert "unexpected" in result.found


def test_a_check_without_patience_is_asked_once_whatever_the_command_line_says(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def ask(host: object, checks: list[tuple[str, Check]]) -> list[Result]:
        asked.append([check.id for _, check in checks])
        return [Result("web1", service, check, False, "no") for service, check in checks]

    monkeypatch.setattr(asking, "ask", ask)
    checks = [("alpha", replace(READY, id=name, patience=patience)) for name, patience in (("once", 0), ("often", 30))]
    results = asking.await_all(object(), checks, 1)  # type: ignore[arg-type]
    assert asked[0] == ["once", "often"] and len(asked) > 1
    assert all(names == ["often"] for names in asked[1:])
    assert [result.check.id for result in results] == ["once", "often"]


def test_a_long_wait_pauses_ever_longer_and_never_beyond_its_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    now, pauses = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(asking.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(asking.gevent, "sleep", sleep)
    never = Result("web1", "alpha", replace(READY, patience=60), False, "no")
    monkeypatch.setattr(asking, "ask", lambda *_: [never])
    asking.await_all(object(), [("alpha", never.check)])  # type: ignore[arg-type]
    assert pauses[:10] == [0.5] * 10 and pauses[-2] == pytest.approx(sum(pauses[:-2]) / 10)
    assert len(pauses) < 60 and now[0] == pytest.approx(60)


def test_the_outside_world_is_waited_for_no_longer_than_its_check_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(host: object, checks: list[tuple[str, Check]]) -> list[Result]:
        return [Result("web1", service, check, False, "no") for service, check in checks]

    waits: list[list[str]] = []
    monkeypatch.setattr(asking, "ask", ask)
    checks = [("alpha", replace(READY, id=gate, gate=gate, patience=1)) for gate in ("own", "world")]
    asking.await_all(object(), checks, 2, lambda ids: waits.append(list(ids)))  # type: ignore[arg-type]
    assert waits == [["own", "world"], ["own"], []]
