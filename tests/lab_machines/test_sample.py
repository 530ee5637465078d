"""The sample of the fake backend's requests: the same every time, and as the scenario has it."""

from collections import Counter

import pytest

from lab.sample import Request, Sampler
from lab.scenarios import BACKEND
from lab.traffic import MODELS


def sample(scenario: str, seconds: float = 100) -> list[Request]:
    """The sample's requests in a scenario."""
    return list(Sampler("production", 1).happen(BACKEND[scenario], seconds, 1_800_000_000))


def test_a_healthy_backend_tells_four_requests_a_second() -> None:
    found = sample("healthy", 1000)
    assert len(found) == 4000
    endpoints = Counter(request.endpoint.path for request in found)
    assert endpoints["/v1/chat/completions"] == pytest.approx(2400, abs=40)
    assert 0 < sum(request.status == 500 for request in found) < 20
    providers = Counter(request.inference.model.provider for request in found if request.inference)
    assert providers["openrouter"] == pytest.approx(1080, abs=60)
    assert providers.keys() == {model.provider for model in MODELS}


def test_the_same_requests_come_every_time_under_ids_of_their_own() -> None:
    first, second = sample("healthy"), sample("healthy")
    assert [(one.endpoint, one.status, one.seconds) for one in first] == [
        (one.endpoint, one.status, one.seconds) for one in second
    ]
    assert len({one.trace for one in (*first, *second)}) == 800


@pytest.mark.parametrize(("scenario", "number"), [("zero_traffic", 0), ("down", 0), ("trickle", 4)])
def test_there_is_as_much_as_the_scenario_has(scenario: str, number: int) -> None:
    assert len(sample(scenario)) == number


def test_when_every_request_fails_every_line_is_an_error() -> None:
    assert {(one.status, one.level) for one in sample("all_errors")} == {(500, "error")}


def test_one_provider_fails_or_falls_silent_alone() -> None:
    failed = {
        (one.inference.model.provider, one.inference.failed) for one in sample("provider_failing") if one.inference
    }
    assert ("cerebras", True) in failed and ("cerebras", False) not in failed
    assert ("openai", False) in failed
    asked = {one.inference.model.provider for one in sample("provider_silent") if one.inference}
    assert "cerebras" not in asked and "openai" in asked


def test_a_slow_backend_takes_ten_times_as_long() -> None:
    healthy, slow = (sum(one.seconds for one in sample(name)) for name in ("healthy", "slow"))
    assert slow == pytest.approx(10 * healthy, rel=0.1)
