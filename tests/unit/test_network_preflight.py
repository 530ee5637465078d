"""What a deploy asks before it begins: what the host will download must be there; what the world says only warns."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from examples import build, full, view
from sites import make_site

from lgtm.checklist import network_preflight
from lgtm.host import asking
from lgtm.model.checks import Answer, Bad, Check, Result
from lgtm.model.errors import Refusal
from lgtm.model.hoststate import HostState
from lgtm.model.plan import Change, Plan
from lgtm.model.record import Record
from lgtm.model.run import RUN

URL = "https://example.com/alpha.tar.gz"
WANTED = build(full())
WANTED = replace(WANTED, artifacts={name: replace(one, url=URL) for name, one in WANTED.artifacts.items()})
PLAN = Plan("web1", WANTED, "f", changes=(Change("artifact", WANTED.artifacts["alpha"].directory),))
VIEW = view(make_site(), WANTED, HostState(now=1_700_000_000), 1_700_000_000)
HOST: Any = SimpleNamespace(name="web1")


@pytest.fixture(autouse=True)
def downloading(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A site whose hosts download themselves."""
    store = SimpleNamespace(push=False)
    monkeypatch.setattr(network_preflight, "store", lambda root, settings: store)
    monkeypatch.setattr(RUN, "record", Record())
    return store


def test_what_a_host_will_download_is_asked_for_from_there(downloading: SimpleNamespace) -> None:
    [(service, check)] = network_preflight._downloads(make_site(), PLAN)
    assert (service, check.id, check.url, check.preflight) == ("alpha", "alpha.download", f"head+{URL}", True)
    assert check.judge(Answer(200, "")) == "200"
    for answer, said in ((Answer(404, ""), "HTTP 404"), (Answer(0, "curl: (6) Could not resolve host"), "resolve")):
        with pytest.raises(Bad, match=said):
            check.judge(answer)
    downloading.push = True
    assert network_preflight._downloads(make_site(), PLAN) == []


def answer(monkeypatch: pytest.MonkeyPatch, gate: str) -> None:
    parts: Any = {"url": "head+https://example.com", "judge": lambda one: "", "gate": gate}
    check = Check(id="alpha.x", title="X can be had", remedy="open the way out", **parts)
    found = [Result("web1", "alpha", check, False, "HTTP 404")]
    monkeypatch.setattr(asking, "ask", lambda host, checks, secrets: found)


def test_a_deploy_that_could_not_succeed_is_refused_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, "own")
    with pytest.raises(Refusal, match=r"^web1: X can be had: HTTP 404; open the way out$"):
        network_preflight.require(HOST, VIEW, PLAN)


def test_what_the_world_says_is_told_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, "world")
    network_preflight.require(HOST, VIEW, PLAN)
    said = capsys.readouterr().err
    assert "X can be had" in said and "→ open the way out" in said and "0 failed, 1 warning" in said
    assert [check["verdict"] for check in RUN.record.hosts["web1"].checks] == ["warning"]


def test_what_only_warns_of_the_host_itself_is_told_by_a_deploy_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(asking, "ask", lambda host, checks, secrets: [])
    network_preflight.require(HOST, replace(VIEW, state=replace(VIEW.state, os="alpine 3.20")), PLAN)
    assert "runs alpine 3.20, which is untested" in capsys.readouterr().err


def test_the_secrets_that_a_host_will_get_are_known_by_the_names_of_their_files() -> None:
    found = PLAN.generation.secrets
    assert {name: value.reveal() for name, value in found.items()} == {"alpha/token": "s3cret-of-alpha"}
