"""The fake backend: exact rates in every scenario, and logs, traces and exemplars of the same requests."""

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from lab.backend import Backend
from lab.exposition import data_registry, process_registry
from lab.sample import Request, Sampler
from lab.scenarios import BACKEND
from lab.telemetry import Telemetry, at, line, spans, streams
from lab.traffic import HISTORY_SECONDS, Traffic

Samples = dict[str, float]
CLOSED = "http://127.0.0.1:1"


class Bench:
    """A backend on a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.traffic = Traffic(clock=lambda: self.now)

    def scrape(self, registry: Callable[[Traffic], object] = process_registry) -> Samples:
        text = generate_latest(registry(self.traffic)).decode()  # type: ignore[arg-type]
        pairs = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        return {series: float(value) for series, _, value in pairs}

    def gained(self, scenario: str, seconds: float) -> Samples:
        """Let a scenario last, and return what each sample has gained."""
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


def test_a_healthy_backend_serves_forty_requests_a_second(bench: Bench) -> None:
    assert total(bench.scrape(), "fastapi_requests_total") == pytest.approx(40 * HISTORY_SECONDS, abs=12)
    gained = bench.gained("healthy", 100)
    assert total(gained, "fastapi_requests_total") == pytest.approx(4000, abs=12)
    assert total(gained, "fastapi_requests_total", 'status_code="5') == pytest.approx(8, abs=4)
    assert total(gained, "model_inference_requests_total") == pytest.approx(2400, abs=12)


def test_counters_never_go_back_while_scenarios_change(bench: Bench) -> None:
    for scenario in ("slow", "zero_traffic", "all_errors", "provider_failing", "trickle", "healthy"):
        gained = bench.gained(scenario, 7.3)
        assert not [s for s, value in gained.items() if value < 0 and ("_total" in s or "_bucket" in s)]


def test_every_error_scenario_counts_no_success(bench: Bench) -> None:
    gained = bench.gained("all_errors", 60)
    assert total(gained, "model_inference_requests_total", 'status="success"') == 0
    assert total(gained, "model_inference_requests_total", 'status="error"') == pytest.approx(1440, abs=8)
    assert total(gained, "fastapi_requests_total", 'status_code="500"') == pytest.approx(2400, abs=8)


def test_a_restart_begins_at_nothing(bench: Bench) -> None:
    gained = bench.gained("all_errors_after_restart", 10)
    assert total(gained, "model_inference_requests_total", 'status="error"') > 0
    assert not [series for series in bench.scrape() if 'status="success"' in series]
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
    data = bench.scrape(data_registry)
    assert data['health_score{provider="cerebras"}'] == 0 and data['health_score{provider="openai"}'] > 99
    assert data['circuit_breaker_state{model="llama-3.1-8b",provider="cerebras",state="OPEN"}'] == 1


def test_traffic_can_be_little_and_a_provider_silent(bench: Bench) -> None:
    silent = bench.gained("provider_silent", 60)
    assert total(silent, "model_inference_requests_total", "cerebras") == 0
    assert total(silent, "model_inference_requests_total", "openai") > 0
    assert 0 < total(bench.gained("trickle", 100), "fastapi_requests_total") <= 50


def test_slow_is_ten_times_as_long_and_buckets_end_at_the_count(bench: Bench) -> None:
    name = "fastapi_requests_duration_seconds"
    healthy, slow = bench.gained("healthy", 300), bench.gained("slow", 300)
    assert total(slow, f"{name}_sum") == pytest.approx(10 * total(healthy, f"{name}_sum"), rel=0.01)
    assert total(slow, f"{name}_bucket", 'le="+Inf"') == total(slow, f"{name}_count")
    assert total(healthy, f"{name}_bucket", 'le="1.0"') > total(slow, f"{name}_bucket", 'le="1.0"') > 0


def sample(scenario: str, seconds: float = 100) -> list[Request]:
    """The sample's requests in a scenario."""
    return list(Sampler("production", 1).happen(BACKEND[scenario], seconds, 1_800_000_000))


def test_the_sample_has_four_requests_a_second_as_the_metrics_count_them() -> None:
    found = sample("healthy", 1000)
    assert len(found) == 4000 == len({one.trace for one in found})
    endpoints = Counter(request.endpoint.path for request in found)
    assert endpoints["/v1/chat/completions"] == pytest.approx(2400, abs=40)
    assert 0 < sum(request.status == 500 for request in found) < 20


@pytest.mark.parametrize(("scenario", "number"), [("zero_traffic", 0), ("down", 0), ("trickle", 4)])
def test_the_sample_has_as_many_requests_as_the_scenario(scenario: str, number: int) -> None:
    assert len(sample(scenario)) == number


def test_the_sample_fails_as_the_scenario_does() -> None:
    assert {(one.status, one.level) for one in sample("all_errors")} == {(500, "error")}
    asked = [one.inference for one in sample("provider_failing") if one.inference]
    failed = {(one.model.provider, one.failed) for one in asked}
    assert ("cerebras", True) in failed and ("cerebras", False) not in failed and ("openai", False) in failed
    assert "cerebras" not in {one.inference.model.provider for one in sample("provider_silent") if one.inference}


class Store(ThreadingHTTPServer):
    """A Loki and a Tempo in one, which take everything."""

    daemon_threads = True
    server_bind = TCPServer.server_bind

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taker)
        self.taken: dict[str, list[Any]] = defaultdict(list)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def lines(self) -> list[dict[str, Any]]:
        return [one for body in self.taken["/loki/api/v1/push"] for one in lines_of(body)]

    def traces(self) -> list[dict[str, Any]]:
        return [span for body in self.taken["/v1/traces"] for span in spans_of(body)]


class Taker(BaseHTTPRequestHandler):
    server: Store

    def do_POST(self) -> None:
        self.server.taken[self.path].append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as server:
        yield server
        server.shutdown()


def lines_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(text) for stream in body["streams"] for _, text in stream["values"]]


def spans_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [span for one in body["resourceSpans"] for scope in one["scopeSpans"] for span in scope["spans"]]


def test_a_line_has_what_dashboards_read_and_few_labels() -> None:
    body = streams(sample("healthy"))
    assert {frozenset(stream["stream"]) for stream in body["streams"]} == {frozenset(("app", "level", "service"))}
    asked = next(one for one in lines_of(body) if "provider" in one)
    assert asked.keys() == {
        "timestamp", "level", "service", "environment", "message", "trace_id", "span_id", "endpoint", "method",
        "status_code", "duration_ms", "provider", "model", "tokens_prompt", "tokens_completion", "cost_usd",
    }  # fmt: skip
    failed = next(one for one in sample("provider_failing") if one.inference and one.inference.failed)
    assert line(failed)["message"].endswith("200: cerebras did not answer") and "tokens_prompt" not in line(failed)


def test_a_trace_is_a_server_span_around_a_client_span() -> None:
    found = spans_of(spans(sample("provider_failing")))
    client = next(one for one in found if one["name"] == "llm_inference")
    server = next(one for one in found if one["spanId"] == client["parentSpanId"])
    assert server["traceId"] == client["traceId"]
    assert (server["kind"], client["kind"], server["name"]) == (2, 3, "POST /v1/chat/completions")
    assert int(server["startTimeUnixNano"]) < int(client["startTimeUnixNano"]) < int(client["endTimeUnixNano"])
    assert {one["key"] for one in client["attributes"]} >= {"ai.provider", "gen_ai.request.model", "customer.id"}
    failed = next(one for one in found if one["status"])
    assert {"key": "error.type", "value": {"stringValue": "provider_error"}} in failed["attributes"]


def test_logs_and_traces_of_a_request_share_their_ids(store: Store) -> None:
    sent = Telemetry(Sampler("staging", 1), store.url, store.url).send(BACKEND["healthy"], 10, 1_800_000_000)
    assert len(sent) == len(store.lines()) == 40
    ids = {(one["trace_id"], one["span_id"]) for one in store.lines()}
    assert ids == {(one["traceId"], one["spanId"]) for one in store.traces() if "parentSpanId" not in one}
    assert {one["environment"] for one in store.lines()} == {"staging"}


def test_a_host_is_reached_on_the_usual_ports() -> None:
    telemetry = at("198.18.0.11", Sampler("production", 1))
    assert (telemetry.loki, telemetry.tempo) == ("http://198.18.0.11:3100", "http://198.18.0.11:4318")


def exemplars(backend: Backend) -> list[Sample]:
    accepts = "application/openmetrics-text;version=1.0.0"
    text, _ = backend.exposition(backend.registries["/metrics"], accepts)
    families = text_string_to_metric_families(text.decode())
    return [one for family in families for one in family.samples if one.exemplar]


def test_exemplars_name_traces_that_are_stored(store: Store) -> None:
    with Backend(("127.0.0.1", 0)) as backend:
        backend.send(Telemetry(Sampler("production", 1), CLOSED, CLOSED), 60)
        assert exemplars(backend) == []
        backend.send(Telemetry(Sampler("production", 1), CLOSED, store.url), 60)
        shown, stored = exemplars(backend), {one["traceId"] for one in store.traces()}
        histograms = ("fastapi_requests_duration_seconds_bucket", "model_inference_duration_seconds_bucket")
        assert {one.name for one in shown} == set(histograms)
        for one in shown:
            assert one.exemplar and one.exemplar.labels["trace_id"] in stored
            assert one.exemplar.value <= float(one.labels["le"])
        backend.switch("counter_reset")
        assert exemplars(backend) == []
