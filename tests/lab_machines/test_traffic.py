"""The fake backend's numbers: exact rates, whatever the moment of the scrape."""

import math
import re
from collections import defaultdict
from collections.abc import Callable

import pytest
from prometheus_client import generate_latest

from lab.exposition import data_registry, process_registry
from lab.scenarios import BACKEND
from lab.traffic import HISTORY_SECONDS, Traffic

Samples = dict[str, float]


class Bench:
    """A backend on a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.traffic = Traffic(clock=lambda: self.now)

    def scrape(self, registry: Callable[[Traffic], object] = process_registry) -> Samples:
        """Read every sample."""
        text = generate_latest(registry(self.traffic)).decode()  # type: ignore[arg-type]
        pairs = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        return {series: float(value) for series, _, value in pairs}

    def gained(self, scenario: str, seconds: float) -> Samples:
        """Let a scenario last, and tell what each sample has gained."""
        self.traffic.switch(BACKEND[scenario])
        before = self.scrape()
        self.now += seconds
        return {series: value - before.get(series, 0) for series, value in self.scrape().items()}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def total(samples: Samples, metric: str, *labels: str) -> float:
    """Sum the samples of a metric whose labels contain the given text."""
    return sum(v for s, v in samples.items() if s.startswith(metric + "{") and all(label in s for label in labels))


def quantile(samples: Samples, metric: str, q: float) -> float:
    """Give the upper bound of the bucket that a quantile falls into, over all label sets."""
    buckets: dict[float, float] = defaultdict(float)
    for series, value in samples.items():
        if found := re.match(rf'{metric}_bucket{{.*le="([^"]+)"', series):
            buckets[float(found[1])] += value
    return next(bound for bound in sorted(buckets) if buckets[bound] >= q * buckets[math.inf])


def test_a_healthy_backend_serves_forty_requests_a_second(bench: Bench) -> None:
    gained = bench.gained("healthy", 100)
    assert total(gained, "fastapi_requests_total") == pytest.approx(4000, abs=12)
    assert total(gained, "fastapi_requests_total", 'status_code="5') == pytest.approx(8, abs=4)
    assert total(gained, "model_inference_requests_total") == pytest.approx(2400, abs=12)


def test_a_process_that_has_just_started_has_a_past(bench: Bench) -> None:
    assert total(bench.scrape(), "http_requests_total") == pytest.approx(40 * HISTORY_SECONDS, abs=12)


def test_counters_never_go_back_while_scenarios_change(bench: Bench) -> None:
    for scenario in ("slow", "zero_traffic", "all_errors", "provider_failing", "trickle", "healthy"):
        gained = bench.gained(scenario, 7.3)
        assert not [s for s, value in gained.items() if value < 0 and ("_total" in s or "_bucket" in s)]


def test_every_error_scenario_counts_no_success(bench: Bench) -> None:
    gained = bench.gained("all_errors", 60)
    assert total(gained, "model_inference_requests_total", 'status="success"') == 0
    assert total(gained, "model_inference_requests_total", 'status="error"') == pytest.approx(1440, abs=8)
    assert total(gained, "fastapi_requests_total", 'status_code="500"') == pytest.approx(2400, abs=8)


def test_a_restart_forgets_and_begins_at_nothing(bench: Bench) -> None:
    bench.traffic.switch(BACKEND["counter_reset"])
    assert total(bench.scrape(), "fastapi_requests_total") == 0
    bench.now += 10
    assert total(bench.scrape(), "fastapi_requests_total") == pytest.approx(400, abs=12)


def test_only_the_failing_provider_fails(bench: Bench) -> None:
    gained = bench.gained("provider_failing", 600)
    errors = {p: total(gained, "model_inference_requests_total", p, '"error"') for p in ("cerebras", "openai")}
    assert errors["cerebras"] == total(gained, "model_inference_requests_total", "cerebras")
    assert errors["openai"] < 0.01 * total(gained, "model_inference_requests_total", "openai")
    # Few enough that the share over all providers stays below the 15 % of ModelInferenceErrorSpike.
    assert total(gained, "model_inference_requests_total", '"error"') < 0.15 * 24 * 600


def test_a_silent_provider_is_not_asked(bench: Bench) -> None:
    gained = bench.gained("provider_silent", 60)
    assert total(gained, "model_inference_requests_total", "cerebras") == 0
    assert total(gained, "model_inference_requests_total", "openai") > 0


def test_a_trickle_is_far_below_ten_requests_a_second(bench: Bench) -> None:
    assert 0 < total(bench.gained("trickle", 100), "fastapi_requests_total") <= 50


@pytest.mark.parametrize("metric", ["fastapi_requests_duration_seconds", "http_request_duration_seconds"])
def test_slow_means_a_p95_above_three_seconds(bench: Bench, metric: str) -> None:
    assert quantile(bench.gained("healthy", 300), metric, 0.95) <= 1.5
    assert quantile(bench.gained("slow", 300), metric, 0.95) > 5


def test_buckets_are_cumulative_and_end_at_the_count(bench: Bench) -> None:
    samples = bench.scrape()
    prefix = 'provider_response_time_seconds_bucket{le="%s",provider="openai"}'
    buckets = [samples[prefix % le] for le in ("0.1", "0.5", "1.0", "2.0", "5.0", "10.0", "30.0", "+Inf")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == samples['provider_response_time_seconds_count{provider="openai"}']


def test_the_data_page_follows_the_scenario(bench: Bench) -> None:
    healthy = bench.scrape(data_registry)
    assert healthy['health_score{provider="cerebras"}'] == pytest.approx(99.8)
    bench.traffic.switch(BACKEND["provider_failing"])
    failing = bench.scrape(data_registry)
    assert failing['health_score{provider="cerebras"}'] == 0
    assert failing['circuit_breaker_state{model="llama-3.1-8b",provider="cerebras",state="OPEN"}'] == 1
    assert failing['health_score{provider="openai"}'] == healthy['health_score{provider="openai"}']
