"""The fake backend's logs, traces and exemplars: they follow the scenario, belong together, and wait for nobody."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from lab.backend import Backend
from lab.sample import Sampler
from lab.scenarios import BACKEND
from lab.telemetry import KEPT, Telemetry, at, line, post, spans, streams

from .test_sample import sample

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
CLOSED = "http://127.0.0.1:1"
ATTRIBUTES = {
    "gen_ai.system", "gen_ai.request.model", "gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens",
    "gen_ai.usage.total_tokens", "ai.provider", "customer.id",
}  # fmt: skip


class Store(ThreadingHTTPServer):
    """A Loki and a Tempo in one: takes everything, or answers with another status, or hangs up."""

    daemon_threads = True
    server_bind = TCPServer.server_bind
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taker)
        self.taken: dict[str, list[Any]] = {"/loki/api/v1/push": [], "/v1/traces": []}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(told) for body in self.taken["/loki/api/v1/push"] for told in lines_of(body)]

    def traces(self) -> list[dict[str, Any]]:
        return [span for body in self.taken["/v1/traces"] for span in spans_of(body)]


class Taker(BaseHTTPRequestHandler):
    """Takes a push."""

    server: Store

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.status == 0:
            self.wfile.write(b"what?\r\n")
            return
        if self.server.status == 200:
            self.server.taken[self.path].append(body)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep silent."""


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as server:
        yield server
        server.shutdown()


def lines_of(body: dict[str, Any]) -> list[str]:
    return [told for stream in body["streams"] for _, told in stream["values"]]


def spans_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [span for one in body["resourceSpans"] for scope in one["scopeSpans"] for span in scope["spans"]]


def attributes(span: dict[str, Any]) -> dict[str, Any]:
    return {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}


def test_a_line_has_what_dashboards_read_and_few_labels() -> None:
    body = streams(sample("healthy"))
    assert {frozenset(stream["stream"]) for stream in body["streams"]} == {frozenset(("app", "level", "service"))}
    told = [json.loads(one) for one in lines_of(body)]
    asked = next(one for one in told if "provider" in one)
    assert asked.keys() == {
        "timestamp", "level", "service", "environment", "message", "trace_id", "span_id", "endpoint", "method",
        "status_code", "duration_ms", "provider", "model", "tokens_prompt", "tokens_completion", "cost_usd",
    }  # fmt: skip
    assert re.fullmatch(r"[0-9a-f]{32}", asked["trace_id"]) and re.fullmatch(r"[0-9a-f]{16}", asked["span_id"])
    assert any("provider" not in one for one in told)  # only some requests ask a model


def test_a_failed_inference_is_told_without_tokens() -> None:
    failed = next(one for one in sample("provider_failing") if one.inference and one.inference.failed)
    told = line(failed)
    assert told["message"].endswith("200: cerebras did not answer")
    assert "tokens_prompt" not in told


def test_a_trace_is_a_server_span_around_a_client_span() -> None:
    found = spans_of(spans(sample("healthy")))
    client = next(one for one in found if one["name"] == "llm_inference")
    server = next(one for one in found if one["spanId"] == client["parentSpanId"])
    assert server["traceId"] == client["traceId"]
    assert (server["kind"], client["kind"], server["name"]) == (2, 3, "POST /v1/chat/completions")
    assert int(server["startTimeUnixNano"]) < int(client["startTimeUnixNano"]) < int(client["endTimeUnixNano"])
    assert attributes(server) == {
        "http.method": "POST", "http.route": "/v1/chat/completions", "http.status_code": "200",
    }  # fmt: skip
    assert attributes(client).keys() >= ATTRIBUTES
    assert len({one["spanId"] for one in found}) == len(found)


def test_a_failed_inference_is_an_error_in_its_span() -> None:
    found = [one for one in spans_of(spans(sample("provider_failing"))) if one["name"] == "llm_inference"]
    by_provider = {(attributes(one)["ai.provider"], one["status"].get("code")) for one in found}
    assert ("cerebras", 2) in by_provider and ("cerebras", None) not in by_provider
    failed = next(one for one in found if one["status"])
    assert attributes(failed)["error.type"] == "provider_error"


def test_logs_and_traces_of_a_request_share_their_ids(store: Store) -> None:
    told = Telemetry(Sampler("staging", 1), store.url, store.url).tell(BACKEND["healthy"], 10, 1_800_000_000)
    assert len(told) == len(store.lines()) == 40
    ids = {(one["trace_id"], one["span_id"]) for one in store.lines()}
    assert ids == {(one["traceId"], one["spanId"]) for one in store.traces() if "parentSpanId" not in one}
    assert {one["environment"] for one in store.lines()} == {"staging"}


@pytest.mark.parametrize("status", [503, 429, 0])
def test_what_a_store_does_not_take_waits_and_comes_once(store: Store, status: int) -> None:
    telemetry = Telemetry(Sampler("production", 1), store.url, store.url)
    store.status = status
    assert telemetry.tell(BACKEND["healthy"], 1, 1) == []
    store.status = 200
    assert len(telemetry.tell(BACKEND["healthy"], 1, 2)) == 8
    assert telemetry.tell(BACKEND["zero_traffic"], 1, 3) == []
    assert len(store.lines()) == 8 == len({one["trace_id"] for one in store.lines()})


def test_what_a_store_refuses_for_good_is_not_sent_again(store: Store) -> None:
    telemetry = Telemetry(Sampler("production", 1), store.url, store.url)
    store.status = 400
    assert telemetry.tell(BACKEND["healthy"], 1, 1) == []
    store.status = 200
    assert len(telemetry.tell(BACKEND["healthy"], 1, 2)) == 4


def test_nobody_there_costs_no_more_than_so_much_memory() -> None:
    telemetry = Telemetry(Sampler("production", 1), CLOSED, CLOSED)
    for now in range(3):
        assert telemetry.tell(BACKEND["healthy"], 100, now) == []
    assert len(telemetry.logs.waiting) == len(telemetry.traces.waiting) == KEPT
    assert telemetry.logs.waiting[-1].number == 1200  # the oldest went


def test_a_host_is_told_on_the_usual_ports() -> None:
    telemetry = at("198.18.0.11", Sampler("production", 1))
    assert telemetry.logs.url == "http://198.18.0.11:3100/loki/api/v1/push"
    assert telemetry.traces.url == "http://198.18.0.11:4318/v1/traces"


@pytest.fixture
def backend() -> Iterator[Backend]:
    """A backend that nobody connects to."""
    with Backend(("127.0.0.1", 0)) as server:
        yield server


def samples(backend: Backend, accepts: str = OPENMETRICS) -> list[Sample]:
    text, kind = backend.exposition(backend.registries["/metrics"], accepts)
    assert kind.startswith("application/openmetrics-text")
    return [one for family in text_string_to_metric_families(text.decode()) for one in family.samples]


def test_exemplars_name_traces_that_are_stored(backend: Backend, store: Store) -> None:
    backend.tell(Telemetry(Sampler("production", 1), CLOSED, store.url), 60)
    shown = [one for one in samples(backend) if one.exemplar]
    assert {one.name for one in shown} == {
        "fastapi_requests_duration_seconds_bucket",
        "model_inference_duration_seconds_bucket",
    }
    stored = {one["traceId"] for one in store.traces()}
    for one in shown:
        assert one.exemplar is not None and one.exemplar.labels["trace_id"] in stored
        assert one.exemplar.value <= float(one.labels["le"])


def test_without_a_store_there_are_no_exemplars(backend: Backend) -> None:
    backend.tell(Telemetry(Sampler("production", 1), CLOSED, CLOSED), 60)
    assert not [one for one in samples(backend) if one.exemplar]


def test_a_restart_forgets_its_exemplars(backend: Backend, store: Store) -> None:
    backend.tell(Telemetry(Sampler("production", 1), store.url, store.url), 60)
    backend.switch("counter_reset")
    assert not [one for one in samples(backend) if one.exemplar]


def test_a_scraper_that_takes_plain_text_alone_gets_it(backend: Backend, store: Store) -> None:
    backend.tell(Telemetry(Sampler("production", 1), store.url, store.url), 60)
    text, kind = backend.exposition(backend.registries["/metrics"], "text/plain;version=0.0.4")
    assert kind.startswith("text/plain") and b"trace_id" not in text and b"# EOF" not in text


def test_an_answer_that_is_no_http_is_nobody(store: Store) -> None:
    store.status = 0
    assert post(f"{store.url}/v1/traces", {}) == 0
