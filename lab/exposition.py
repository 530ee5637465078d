"""The fake backend's metrics under the names, labels and buckets of the real one."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from .traffic import APP, ENDPOINTS, MODELS, Example, Traffic, failure_share, whole

COUNTERS = {
    "fastapi_requests_total": ("app_name", "method", "path", "status_code"),
    "fastapi_exceptions_total": ("exception_type",),
    "model_inference_requests_total": ("provider", "model", "status"),
    "tokens_used_total": ("provider", "model", "token_type"),
    "credits_used_total": ("provider", "model"),
    "cache_hits_total": (),
    "cache_misses_total": (),
    "rate_limited_requests_total": (),
}
DEFAULT = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
PROVIDER = (0.1, 0.5, 1, 2, 5, 10, 30)
SIZES = (100, 1000, 10_000, 100_000)
HISTOGRAMS: Mapping[str, tuple[tuple[str, ...], tuple[float, ...]]] = {
    "fastapi_requests_duration_seconds": (("app_name", "method", "path"), DEFAULT),
    "fastapi_request_size_bytes": (("app_name", "method", "path"), SIZES),
    "fastapi_response_size_bytes": (("app_name", "method", "path"), SIZES),
    "model_inference_duration_seconds": (("provider", "model"), DEFAULT),
    "time_to_first_chunk_seconds": (("provider", "model"), DEFAULT),
    "backend_ttfb_seconds": (("provider",), DEFAULT),
    "streaming_duration_seconds": (("provider",), DEFAULT),
    "provider_response_time_seconds": (("provider",), PROVIDER),
    "database_query_duration_seconds": (("operation",), DEFAULT),
}
GAUGES = {"active_api_keys": 5, "active_connections": 12}


def process_registry(traffic: Traffic) -> CollectorRegistry:
    """Return the registry of `/metrics`, with a Python client's usual process metrics."""
    registry = CollectorRegistry()
    for usual in (ProcessCollector, PlatformCollector, GCCollector):
        usual(registry=registry)
    registry.register(ProcessMetrics(traffic))
    return registry


def data_registry(traffic: Traffic) -> CollectorRegistry:
    """Return the registry of `/prometheus/data/metrics`."""
    registry = CollectorRegistry()
    registry.register(DataMetrics(traffic))
    return registry


class ProcessMetrics(Collector):
    """Metrics of the backend's own requests."""

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic

    def collect(self) -> Iterator[Metric]:
        self.traffic.advance()
        yield from (self._counter(name, labels) for name, labels in COUNTERS.items())
        yield from (self._histogram(name, *shape) for name, shape in HISTOGRAMS.items())
        yield from (GaugeMetricFamily(name, "A gauge of the fake backend.", value) for name, value in GAUGES.items())
        yield self._in_progress()

    def _counter(self, name: str, labels: tuple[str, ...]) -> Metric:
        family = CounterMetricFamily(name, "Counted by the fake backend.", labels=labels)
        for (metric, values), amount in self.traffic.counts.items():
            if metric == name:
                family.add_metric(values, amount if name.startswith("credits") else whole(amount))
        return family

    def _histogram(self, name: str, labels: tuple[str, ...], bounds: tuple[float, ...]) -> Metric:
        family = HistogramMetricFamily(name, "Observed by the fake backend.", labels=labels)
        for (metric, values), observed in self.traffic.observations.items():
            if metric == name:
                buckets = exemplified(cumulative(observed, bounds), self.traffic.examples.get((metric, values)))
                family.add_metric(values, buckets, sum(at * n for at, n in observed.items()))
        return family

    def _in_progress(self) -> Metric:
        scenario = self.traffic.scenario
        factor = scenario.volume * scenario.slowness * self.traffic.scale
        # Little's law: the requests inside are the rate at which they come times how long they stay.
        inside = {(APP, one.method, one.path): round(one.per_second * one.seconds * factor) for one in ENDPOINTS}
        return gauge("fastapi_requests_in_progress", ("app_name", "method", "path"), inside)


class DataMetrics(Collector):
    """Metrics of the backend's providers."""

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic

    def collect(self) -> Iterator[Metric]:
        failing = {model.provider: failure_share(model, self.traffic.scenario) for model in MODELS}
        figures: Mapping[str, Callable[[float], float]] = {
            "health_score": lambda share: 100 * (1 - share),
            "error_rate": lambda share: share,
            "provider_availability": lambda share: share < 1,
        }
        for name, figure in figures.items():
            yield gauge(name, ("provider",), {(one,): figure(share) for one, share in failing.items()})
        breakers = {
            (model.provider, model.model, state): state == ("OPEN" if failing[model.provider] >= 1 else "CLOSED")
            for model in MODELS
            for state in ("CLOSED", "OPEN", "HALF_OPEN")
        }
        yield gauge("circuit_breaker_state", ("provider", "model", "state"), breakers)


def gauge(name: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    """Return a gauge with a value for each combination of its labels."""
    family = GaugeMetricFamily(name, "A gauge of the fake backend.", labels=labels)
    for combination, value in values.items():
        family.add_metric(combination, float(value))
    return family


Bucket = tuple[str, float] | tuple[str, float, Exemplar]


def exemplified(buckets: list[tuple[str, float]], example: Example | None) -> list[Bucket]:
    """Add an example to the first bucket that counted it. Only the OpenMetrics format shows it."""
    found: list[Bucket] = list(buckets)
    if example:
        at = next(n for n, (bound, _) in enumerate(buckets) if example.seconds <= float(bound))
        found[at] = (*buckets[at], Exemplar({"trace_id": example.trace}, example.seconds, example.at))
    return found


def cumulative(observed: Mapping[float, float], bounds: tuple[float, ...]) -> list[tuple[str, float]]:
    """Turn observations (value: how often) into a histogram's buckets."""
    below = [(str(float(bound)), sum(n for at, n in observed.items() if at <= bound)) for bound in bounds]
    return [(bound, whole(count)) for bound, count in [*below, ("+Inf", sum(observed.values()))]]
