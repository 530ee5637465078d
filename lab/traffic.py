"""The fake GatewayZ backend's traffic: deterministic rates, counted as time goes by.

Nothing is random, so that a test knows the rates. A change of scenario keeps the counts, as in a real process.
"""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from .scenarios import HEALTHY, Scenario

APP = "gatewayz-api"
CLIENT_ERRORS, SERVER_ERRORS = 0.010, 0.002  # shares of healthy traffic
# (factor, share): this share of the requests takes this many times the typical duration.
SPREAD = ((0.5, 0.3), (1.0, 0.4), (1.5, 0.2), (2.5, 0.1))
HISTORY_SECONDS = 3600  # how long the process seems to have run when it starts


class Endpoint(NamedTuple):
    """One route of the API at normal traffic."""

    method: str
    path: str
    per_second: float
    seconds: float


class Model(NamedTuple):
    """One model at one provider at normal traffic."""

    provider: str
    model: str
    per_second: float
    seconds: float


ENDPOINTS = (
    Endpoint("POST", "/v1/chat/completions", 24, 0.40),
    Endpoint("GET", "/v1/models", 10, 0.05),
    Endpoint("GET", "/catalog/models/trending", 3, 0.10),
    Endpoint("GET", "/health", 3, 0.01),
)
MODELS = (
    Model("openrouter", "gpt-4o-mini", 7.2, 0.7),
    Model("openrouter", "llama-3.1-70b", 3.6, 0.9),
    Model("openai", "gpt-4o", 4.8, 0.8),
    Model("anthropic", "claude-3-5-sonnet", 3.6, 0.9),
    Model("google-vertex", "gemini-1.5-pro", 2.4, 0.6),
    Model("cerebras", "llama-3.1-8b", 2.4, 0.2),
)
PROVIDERS = tuple(dict.fromkeys(model.provider for model in MODELS))


class Event(NamedTuple):
    """An event with its rate: it counts in one series, and may take time."""

    metric: str
    labels: tuple[str, ...]
    per_second: float
    seconds: float | None = None  # None: a counter; otherwise a histogram's typical observation


Series = tuple[str, tuple[str, ...]]


class Example(NamedTuple):
    """A request that a histogram has counted, which has a trace; `at` in seconds since 1970."""

    trace: str
    seconds: float
    at: float


@dataclass
class Traffic:
    """What one backend process has counted so far, and the scenario it is in."""

    scale: float = 1.0
    clock: Callable[[], float] = time.monotonic
    scenario: Scenario = HEALTHY
    counts: dict[Series, float] = field(default_factory=lambda: defaultdict(float))
    observations: dict[Series, dict[float, float]] = field(default_factory=dict)
    examples: dict[Series, Example] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._counted_until = self.clock() - HISTORY_SECONDS
        self.advance()

    def advance(self) -> None:
        """Count all events since the last call."""
        now = self.clock()
        elapsed, self._counted_until = now - self._counted_until, now
        for event in events(self.scenario):
            amount = event.per_second * self.scale * elapsed
            # A series that nothing has happened in does not exist, as in a real client.
            if amount > 0:
                self._count(event, amount)

    def switch(self, scenario: Scenario) -> None:
        """Switch to another scenario now."""
        self.advance()
        self.scenario = scenario
        if scenario.restarts:
            self.counts.clear()
            self.observations.clear()
            self.examples.clear()

    def _count(self, event: Event, amount: float) -> None:
        series = (event.metric, event.labels)
        if event.seconds is None:
            self.counts[series] += amount
            return
        observed = self.observations.setdefault(series, defaultdict(float))
        for factor, share in SPREAD:
            observed[round(event.seconds * factor, 6)] += amount * share


def events(scenario: Scenario) -> Iterator[Event]:
    """Return all events of a scenario, with their rates."""
    for endpoint in ENDPOINTS:
        yield from _request(endpoint, scenario)
    for model in MODELS:
        yield from _inference(model, scenario)
    yield from _housekeeping(scenario)


def status_shares(scenario: Scenario) -> dict[str, float]:
    """Return the share of requests for each status code."""
    succeeding = (1 - CLIENT_ERRORS - SERVER_ERRORS) * (1 - scenario.failing)
    client_errors = CLIENT_ERRORS * (1 - scenario.failing)
    return {"200": succeeding, "404": client_errors, "500": 1 - succeeding - client_errors}


def failure_share(model: Model, scenario: Scenario) -> float:
    """Return the share of a model's inferences that fail."""
    return 1.0 if model.provider == scenario.failing_provider else max(scenario.failing, SERVER_ERRORS)


def _request(endpoint: Endpoint, scenario: Scenario) -> Iterator[Event]:
    method, path = endpoint.method, endpoint.path
    rate = endpoint.per_second * scenario.volume
    shares = status_shares(scenario)
    for status, share in shares.items():
        yield Event("fastapi_requests_total", (APP, method, path, status), rate * share)
    yield Event("fastapi_exceptions_total", ("InternalServerError",), rate * shares["500"])
    seconds = endpoint.seconds * scenario.slowness
    yield Event("fastapi_requests_duration_seconds", (APP, method, path), rate, seconds)
    yield Event("fastapi_request_size_bytes", (APP, method, path), rate, 600)
    yield Event("fastapi_response_size_bytes", (APP, method, path), rate, 2400)


def _inference(model: Model, scenario: Scenario) -> Iterator[Event]:
    labels = (model.provider, model.model)
    rate = 0 if model.provider == scenario.silent_provider else model.per_second * scenario.volume
    failing = failure_share(model, scenario)
    seconds = model.seconds * scenario.slowness
    succeeding = rate * (1 - failing)
    yield Event("model_inference_requests_total", (*labels, "success"), succeeding)
    yield Event("model_inference_requests_total", (*labels, "error"), rate * failing)
    yield Event("model_inference_duration_seconds", labels, rate, seconds)
    yield Event("time_to_first_chunk_seconds", labels, succeeding, seconds / 4)
    yield Event("backend_ttfb_seconds", labels[:1], succeeding, seconds / 4)
    yield Event("streaming_duration_seconds", labels[:1], succeeding, seconds)
    yield Event("provider_response_time_seconds", labels[:1], rate, seconds)
    yield Event("tokens_used_total", (*labels, "prompt"), succeeding * 300)
    yield Event("tokens_used_total", (*labels, "completion"), succeeding * 150)
    yield Event("credits_used_total", labels, succeeding * 0.002)


def _housekeeping(scenario: Scenario) -> Iterator[Event]:
    rate = sum(endpoint.per_second for endpoint in ENDPOINTS) * scenario.volume
    for operation, share in (("select", 1.5), ("insert", 0.4), ("update", 0.1)):
        yield Event("database_query_duration_seconds", (operation,), rate * share, 0.004 * scenario.slowness)
    yield Event("cache_hits_total", (), rate * 0.8)
    yield Event("cache_misses_total", (), rate * 0.2)
    yield Event("rate_limited_requests_total", (), rate * 0.001)


def whole(amount: float) -> int:
    """Round a count down to whole events. A rounded count never falls."""
    return math.floor(amount + 1e-9)
