"""A sample of the fake backend's requests, a few a second: its traffic itself only counts."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .scenarios import Answers, Scenario
from .traffic import APP, ENDPOINTS, MODELS, SPREAD, Endpoint, Model, Series, failure_share, status_shares

PER_SECOND = 4.0
T = TypeVar("T")


@dataclass(frozen=True)
class Inference:
    """The call of a model that a request causes."""

    model: Model
    seconds: float
    failed: bool


@dataclass(frozen=True)
class Request:
    """One request of the sample; ids in hexadecimal, `end` in seconds since 1970."""

    environment: str
    number: int
    trace: str
    end: float
    endpoint: Endpoint
    status: int
    seconds: float
    inference: Inference | None

    @property
    def level(self) -> str:
        if self.status >= 500 or (self.inference and self.inference.failed):
            return "error"
        return "warning" if self.status >= 400 else "info"

    def span_id(self, kind: str) -> str:
        """Return the id of one of its spans."""
        return digest(self.trace + kind, 8)

    def observations(self) -> Iterator[tuple[Series, float]]:
        """Return the histograms that count it, each with the value observed."""
        yield ("fastapi_requests_duration_seconds", (APP, self.endpoint.method, self.endpoint.path)), self.seconds
        if self.inference:
            asked = self.inference.model
            yield ("model_inference_duration_seconds", (asked.provider, asked.model)), self.inference.seconds


class Sampler:
    """Makes one environment's requests; which one comes when follows from the scenario alone.

    Ids are made of the moment the process began, so that no two runs share a trace.
    """

    def __init__(self, environment: str, scale: float) -> None:
        self.environment, self.per_second = environment, PER_SECOND * scale
        self.seed = f"{environment} {time.time_ns()}"
        self.number = 0
        self.due = 0.0

    def happen(self, scenario: Scenario, seconds: float, now: float) -> Iterator[Request]:
        """Make the requests of this many seconds. A dead process has none."""
        if scenario.answers is not Answers.NOT_AT_ALL:
            self.due += self.per_second * scenario.volume * seconds
        while self.due >= 1:
            self.due -= 1
            self.number += 1
            yield self.request(scenario, now)

    def request(self, scenario: Scenario, now: float) -> Request:
        """Make one request: endpoints, models and outcomes take turns, each as often as the metrics count it."""
        endpoint = self.turn(ENDPOINTS, [one.per_second for one in ENDPOINTS], 0.618034)
        shares = status_shares(scenario)
        status = int(self.turn(list(shares), list(shares.values()), 0.414214))
        factor = self.turn([one for one, _ in SPREAD], [share for _, share in SPREAD], 0.732051) * scenario.slowness
        inference = self.inference(scenario, factor) if endpoint.path.endswith("/completions") else None
        seconds = max(endpoint.seconds * factor, inference.seconds + 0.01 if inference else 0)
        trace = digest(f"{self.seed} {self.number}", 16)
        return Request(self.environment, self.number, trace, now, endpoint, status, seconds, inference)

    def inference(self, scenario: Scenario, factor: float) -> Inference:
        """Make the call of a model that a request causes."""
        asked = [one for one in MODELS if one.provider != scenario.silent_provider]
        model = self.turn(asked, [one.per_second for one in asked], 0.316625)
        failing = failure_share(model, scenario)
        failed = self.turn((False, True), (1 - failing, failing), 0.645751)
        return Inference(model, model.seconds * factor, failed)

    def turn(self, choices: Sequence[T], weights: Sequence[float], step: float) -> T:
        """Choose by weight; steps that have no common measure keep choices of different kinds apart."""
        left = self.number * step % 1 * sum(weights)
        for choice, weight in zip(choices, weights, strict=True):
            left -= weight
            if left < 0:
                return choice
        return choices[-1]


def digest(text: str, size: int) -> str:
    """Make an id of this many bytes."""
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()
