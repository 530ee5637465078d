"""The Tempo stand-in answers as the real Tempo does, wherever that is at hand, and refuses what it cannot honour."""

import gzip
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.standins.tempo.protobuf import fields, part, snappy, varint
from lab.standins.tempo.spans import read
from lab.waiting import until

ROOT = Path(__file__).parents[2]
STAND_IN = ("env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "lab.standins.tempo")
CONFIG = """\
usage_report: {reporting_enabled: false}
server: {http_listen_address: 127.0.0.1, http_listen_port: HTTP, grpc_listen_address: 127.0.0.1, grpc_listen_port: GRPC}
querier: {frontend_worker: {frontend_address: "127.0.0.1:GRPC"}}
distributor:
  receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:OTLP"}, http: {endpoint: "127.0.0.1:POST"}}}}
  ring: {instance_addr: 127.0.0.1, kvstore: {store: inmemory}}
ingester:
  trace_idle_period: 1s
  lifecycler: {address: 127.0.0.1, min_ready_duration: 0s, ring: {replication_factor: 1, kvstore: {store: inmemory}}}
compactor: {compaction: {block_retention: 336h}}
storage: {trace: {backend: local, local: {path: HOME/blocks}, wal: {path: HOME/wal}}}
metrics_generator:
  ring: {instance_addr: 127.0.0.1, kvstore: {store: inmemory}}
  registry: {collection_interval: 1s, external_labels: {environment: lab}}
  processor:
    span_metrics: {dimensions: [gen_ai.request.model], histogram_buckets: [0.1, 1, 60]}
    local_blocks: {filter_server_spans: false, flush_check_period: 1s, trace_idle_period: 1s}
  traces_storage: {path: HOME/recent, ingestion_time_range_slack: 2m}
  storage: {path: HOME/generator, remote_write: [{url: "http://127.0.0.1:SINK/api/v1/write", name: span-metrics}]}
overrides: {defaults: {metrics_generator: {processors: [span-metrics, service-graphs, local-blocks]}}}
"""
BROKEN = {
    "an unknown section": ("compactor:", "compactors:", "field compactors not found"),
    "a section of Tempo 3": ("compactor:", "backend_worker:", "field backend_worker not found"),
    "a section given twice": ("compactor:", "compactor: {}\ncompactor:", "compactor"),
    "a duration in days": ("336h", "14d", "14d"),
    "no YAML": ("server: {", "server: [", "yaml"),
}
# What only the stand-in refuses: Tempo has defaults for these, or finds out when it starts.
BROKEN_FOR_THE_STAND_IN = {
    "a missing port": ("http_listen_port: HTTP, ", "", "server.http_listen_port must give"),
    "a port that is none": ('{endpoint: "127.0.0.1:POST"}', '{endpoint: "127.0.0.1:90090"}', "protocols.http.endpoint"),
    "a receiver without an address": ('grpc: {endpoint: "127.0.0.1:OTLP"}', "grpc:", "protocols.grpc.endpoint"),
    "a section that is no mapping": ("{compaction: {block_retention: 336h}}", "[]", "not a mapping"),
    "a top level that is no mapping": (CONFIG, "- server\n", "the top level is not a mapping"),
}
TRACE, OTHER, LONE = "5b8efff798038103d269b633813fc60c", "7bba9f33312b3dbb8b2c2c62bb7abe2d", "0" * 31 + "7"
CHAT, MODEL, QUERY = "eee19b7ec3c1b174", "eee19b7ec3c1b175", "eee19b7ec3c1b176"
# TraceQL → the spans that answer it.
ANSWERS = {
    "{}": {CHAT, MODEL, QUERY},
    '{ resource.service.name = "gateway" }': {CHAT},
    '{resource.service.name="gateway" && name="POST /chat"}': {CHAT},
    '{ .gen_ai.request.model = "gpt-4o" }': {MODEL},
    '{ span.gen_ai.request.model =~ "gpt-.*" && status = error }': {MODEL},
    '{ resource.gen_ai.request.model = "gpt-4o" }': set(),
    '{ span.service.name = "gateway" }': set(),
    '{ .service.name !~ "gate.*" }': {MODEL, QUERY},
    '{ resource.service.name != "gateway" && kind = server }': {MODEL},
    "{ status = unset }": {CHAT, QUERY},
    "{ duration > 1s }": {QUERY},
    "{ duration <= 100ms }": {MODEL},
    "{ span.http.status_code >= 500 }": {MODEL},
    "{ span.cached = true }": {QUERY},
    '{ name = "nobody" }': set(),
    '{ name = "say \\"hi\\"" }': {QUERY},
}
REFUSED = ["{bad}", "{name=}", '{name="a" &&}', '{name="a"', "{status=fine}", '{name="a" "b"}']
# Valid TraceQL that only the stand-in refuses, and an expression at which Tempo 2.6 fails with a 500.
BEYOND = [
    '{name=~"("}',
    "{name=`a`}",
    '{name="a"} | count() > 1',
    '{name="a" || name="b"}',
    '{} >> {name="a"}',
    "{kind=5}",
]


class Tempo:
    """A Tempo of one kind or the other."""

    def __init__(self, command: tuple[str, ...], home: Path, sink: int) -> None:
        self.command, self.home = command, home
        self.ports = {name: free_port() for name in ("HTTP", "GRPC", "OTLP", "POST")} | {"SINK": sink}
        (home / "tempo.yml").write_text(self.config(CONFIG))

    def config(self, text: str) -> str:
        for name, port in self.ports.items():
            text = text.replace(name, str(port))
        return text.replace("HOME", str(self.home))

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self.command, *words], capture_output=True, text=True, timeout=30)

    def verify(self, text: str) -> subprocess.CompletedProcess[str]:
        (self.home / "other.yml").write_text(self.config(text))
        return self.call("-config.verify=true", f"-config.file={self.home / 'other.yml'}")

    def start(self) -> None:
        with (self.home / "log").open("a") as log:
            words = [*self.command, f"-config.file={self.home / 'tempo.yml'}"]
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        assert until(lambda: self.get("/ready")[0] == 200, 30), (self.home / "log").read_text()[-2000:]

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        return ask(f"http://127.0.0.1:{self.ports['HTTP']}{path}", None, headers)

    def post(self, body: bytes, kind: str = "application/json", path: str = "/v1/traces", **more: str) -> int:
        headers = {"Content-Type": kind} | {name.replace("_", "-"): value for name, value in more.items()}
        return ask(f"http://127.0.0.1:{self.ports['POST']}{path}", body, headers)[0]

    def search(self, query: str, **given: str) -> tuple[int, Any]:
        status, body = self.get("/api/search?" + urllib.parse.urlencode({"q": query, "spss": "9"} | given))
        return status, json.loads(body)["traces"] if status == 200 else body

    def counted(self, query: str) -> tuple[int, float | str]:
        """How many spans the series of a `rate()` over the last five minutes stand for."""
        now = int(time.time())
        asked = urllib.parse.urlencode({"q": query, "start": now - 300, "end": now + 60, "step": 60})
        status, body = self.get(f"/api/metrics/query_range?{asked}")
        if status != 200:
            return status, body
        series = json.loads(body).get("series", [])
        return status, 60 * sum(float(sample.get("value", 0)) for one in series for sample in one["samples"])

    def found(self, query: str) -> set[str]:
        """The ids of the spans that answer a query."""
        status, traces = self.search(query)
        assert status == 200, traces
        return {span["spanID"] for trace in traces for one in trace["spanSets"] for span in one["spans"]}

    def metric(self, name: str) -> float:
        lines = self.get("/metrics")[1].splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


def ask(url: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as response:
            return response.status, response.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue"}
    return [{"key": key, "value": {kinds[type(value)]: value}} for key, value in values.items()]


def batch(service: str, trace: str, own: str, name: str, seconds: float = 0.5, **more: Any) -> dict[str, Any]:
    """One span that has just ended, in OTLP's JSON form."""
    end = time.time_ns()
    times = {"startTimeUnixNano": str(end - int(seconds * 1e9)), "endTimeUnixNano": str(end)}
    span = {"traceId": trace, "spanId": own, "name": name, "kind": 1, **times, **more}
    span["attributes"] = attributes(more.get("attributes", {}))
    return {"resource": {"attributes": attributes({"service.name": service})}, "scopeSpans": [{"spans": [span]}]}


def as_json(*batches: dict[str, Any]) -> bytes:
    return json.dumps({"resourceSpans": batches}).encode()


def as_protobuf(service: str, trace: str, own: str, name: str, seconds: float, **values: Any) -> bytes:
    """One span as an exporter in Go or Python sends it, written by hand."""
    end = time.time_ns()
    kinds = {str: (1, str.encode), bool: (2, lambda value: bytes([value]))}

    def pair(key: str, value: Any) -> bytes:
        field, write = kinds[type(value)]
        held = part(field, write(value)) if field == 1 else bytes([field << 3]) + write(value)
        return part(1, key.encode()) + part(2, held)

    span = part(1, bytes.fromhex(trace)) + part(2, bytes.fromhex(own)) + part(5, name.encode()) + b"\x30\x03"
    span += b"\x39" + struct.pack("<Q", end - int(seconds * 1e9)) + b"\x41" + struct.pack("<Q", end)
    span += b"".join(part(9, pair(key.replace("__", "."), value)) for key, value in values.items())
    resource = part(1, part(1, pair("service.name", service)))
    scope = part(1, part(1, b"a library")) + part(2, span)
    return part(1, resource + part(2, scope))


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a real Prometheus that takes remote write."""
    archives = sorted((ROOT / ".lab" / "artifacts").glob("prometheus-[0-9]*.tar.gz"))
    if not archives:
        pytest.skip("no prometheus in .lab/artifacts: `make lab-up` fetches it")
    home, port = tmp_path_factory.mktemp("prometheus"), free_port()
    with tarfile.open(archives[-1]) as archive:
        archive.extractall(home, filter="tar")
    (home / "empty.yml").write_text("")
    words = [
        f"--config.file={home}/empty.yml",
        f"--storage.tsdb.path={home}/data",
        "--web.enable-remote-write-receiver",
    ]
    words += [f"--web.listen-address=127.0.0.1:{port}"]
    process = subprocess.Popen([next(home.glob("*/prometheus")), *words], stderr=subprocess.DEVNULL)
    assert until(lambda: ask(f"http://127.0.0.1:{port}/-/ready", None, {})[0] == 200, 20)
    yield port
    process.terminate()
    process.wait()


@pytest.fixture(scope="module", params=["stand-in", "real"])
def stopped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, prometheus: int) -> Tempo:
    """Each kind of Tempo, not running."""
    if request.param == "stand-in":
        return Tempo(STAND_IN, tmp_path_factory.mktemp("tempo"), prometheus)
    real = Path(os.environ.get("LGTM_BINARIES", "/nonexistent")) / "tempo"
    if not real.exists():
        pytest.skip("no real Tempo: set LGTM_BINARIES to a folder with the executable `tempo`")
    if b"version 2." not in subprocess.run([real, "-version"], capture_output=True, check=True).stdout:
        pytest.skip("the real Tempo is not of the 2.x that the stand-in stands in for")
    return Tempo((str(real),), tmp_path_factory.mktemp("tempo"), prometheus)


@pytest.fixture(scope="module")
def tempo(stopped: Tempo) -> Iterator[Tempo]:
    """Each kind of Tempo, with three spans in it: a call and what answers it, and a query of its own."""
    stopped.start()
    try:
        model = {"gen_ai.request.model": "gpt-4o", "http.status_code": 503}
        chat = batch("gateway", TRACE, CHAT, "POST /chat", kind=3)
        answer = batch(
            "backend", TRACE, MODEL, "inference", 0.05, kind="SPAN_KIND_SERVER", parentSpanId=CHAT,
            attributes=model, status={"code": 2},
        )  # fmt: skip
        assert stopped.post(as_json(chat, answer)) == 200
        query = as_protobuf("database", OTHER, QUERY, 'say "hi"', 1.5, cached=True, db__system="redis")
        assert stopped.post(gzip.compress(query), "application/x-protobuf", Content_Encoding="gzip") == 200
        assert until(lambda: stopped.found("{}") == {CHAT, MODEL, QUERY}, 30)
        yield stopped
    finally:
        stopped.stop()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Tempo]:
    """The stand-in, running and empty; nobody takes its metrics."""
    found = Tempo(STAND_IN, tmp_path, free_port())
    found.start()
    yield found
    found.stop(signal.SIGKILL)


def test_it_says_what_it_is(tmp_path: Path) -> None:
    run = Tempo(STAND_IN, tmp_path, 1).call("--version")
    assert (run.returncode, run.stdout) == (0, "Tempo stand-in, version 2.5.0+standin\n")


def test_a_good_configuration_is_accepted(stopped: Tempo) -> None:
    run = stopped.verify(CONFIG)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("fault", BROKEN)
def test_a_bad_configuration_is_refused(stopped: Tempo, fault: str) -> None:
    right, wrong, sentence = BROKEN[fault]
    assert right in CONFIG
    run = stopped.verify(CONFIG.replace(right, wrong, 1))
    assert run.returncode == 1
    assert sentence.lower() in run.stderr.lower()


@pytest.mark.parametrize("fault", BROKEN_FOR_THE_STAND_IN)
def test_what_the_stand_in_cannot_honour_is_refused(tmp_path: Path, fault: str) -> None:
    right, wrong, sentence = BROKEN_FOR_THE_STAND_IN[fault]
    assert right in CONFIG
    run = Tempo(STAND_IN, tmp_path, 1).verify(CONFIG.replace(right, wrong, 1))
    assert run.returncode == 1
    assert sentence in run.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("-config.file=/nonexistent",), 1),
        (("-config.verify",), 1),
        (("-verify-config",), 2),
        (("-config.verify", "tempo.yml"), 2),
    ],
)
def test_a_wrong_command_is_refused(tmp_path: Path, words: tuple[str, ...], code: int) -> None:
    assert Tempo(STAND_IN, tmp_path, 1).call(*words).returncode == code


def test_a_taken_port_is_an_error(alone: Tempo) -> None:
    run = alone.call(f"-config.file={alone.home / 'tempo.yml'}")
    assert (run.returncode, "Address already in use" in run.stderr) == (1, True)


def test_the_ports_say_what_they_are_for(tempo: Tempo) -> None:
    assert tempo.get("/ready")[1].strip() == "ready"
    assert tempo.get("/api/echo")[1].strip() == "echo"
    assert tempo.get("/nothing")[0] == 404
    assert ask(f"http://127.0.0.1:{tempo.ports['POST']}/v1/traces", None, {})[0] == 405
    socket.create_connection(("127.0.0.1", tempo.ports["OTLP"]), 5).close()


def test_a_trace_is_found_by_its_id(tempo: Tempo) -> None:
    status, body = tempo.get(f"/api/traces/{TRACE}")
    assert status == 200
    shown = {scope["spans"][0]["name"]: scope["spans"][0] for one in json.loads(body)["batches"] for scope in
             one["scopeSpans"]}  # fmt: skip
    assert shown.keys() == {"POST /chat", "inference"}
    assert (shown["inference"]["kind"], shown["inference"]["status"]) == (
        "SPAN_KIND_SERVER", {"code": "STATUS_CODE_ERROR"},
    )  # fmt: skip
    assert shown["inference"]["traceId"] == "W47/95gDgQPSabYzgT/GDA=="
    assert shown["inference"]["parentSpanId"] == shown["POST /chat"]["spanId"]


def test_an_unknown_trace_is_not_found_and_a_wrong_id_refused(tempo: Tempo) -> None:
    assert tempo.get(f"/api/traces/{LONE}")[0] == 404
    assert tempo.get("/api/traces/xyz")[0] == 400


@pytest.mark.parametrize("query", ANSWERS)
def test_a_query_finds_its_spans(tempo: Tempo, query: str) -> None:
    assert tempo.found(query) == ANSWERS[query]


@pytest.mark.parametrize("query", REFUSED)
def test_a_wrong_query_is_refused(tempo: Tempo, query: str) -> None:
    assert tempo.search(query)[0] == 400


@pytest.mark.parametrize("query", BEYOND)
def test_a_query_beyond_the_stand_in_is_refused_with_a_sentence(alone: Tempo, query: str) -> None:
    status, sentence = alone.search(query)
    assert (status, len(sentence.split()) > 3) == (400, True)


def test_a_search_says_where_a_trace_began(tempo: Tempo) -> None:
    [found] = tempo.search('{name="inference"}')[1]
    assert (found["traceID"], found["rootServiceName"], found["rootTraceName"]) == (TRACE, "gateway", "POST /chat")
    assert 400 < found["durationMs"] < 700
    assert found["spanSets"][0]["matched"] == 1


def test_a_search_keeps_to_its_time_and_limit(tempo: Tempo) -> None:
    now = int(time.time())
    assert len(tempo.search("{}", start=str(now - 600), end=str(now + 60))[1]) == 2
    assert tempo.search("{}", start=str(now - 7200), end=str(now - 3600))[1] == []
    assert len(tempo.search("{}", limit="1")[1]) == 1
    assert tempo.search("{}", limit="many")[0] == 400


def test_spans_are_counted_over_time(tempo: Tempo) -> None:
    assert until(lambda: tempo.counted("{} | rate()") == (200, pytest.approx(3)), 40), tempo.counted("{} | rate()")
    assert tempo.counted('{ resource.service.name = "gateway" } | rate()') == (200, pytest.approx(1))
    assert tempo.counted('{ name = "nobody" } | rate()') == (200, 0)
    assert tempo.counted("{} | rate(")[0] in (400, 500)  # the real 2.6 has 500 for it


def test_spans_are_not_counted_without_the_blocks_that_it_takes(tmp_path: Path) -> None:
    found = Tempo(STAND_IN, tmp_path, free_port())
    (tmp_path / "tempo.yml").write_text(found.config(CONFIG.replace(", local-blocks", "")))
    found.start()
    try:
        assert found.counted("{} | rate()") == (200, 0)
        assert found.post(as_json(batch("gateway", TRACE, CHAT, "POST /chat"))) == 200
        assert found.counted("{} | rate()") == (500, "localblocks processor not found\n")
    finally:
        found.stop(signal.SIGKILL)


@pytest.mark.parametrize("query", ["{} | count_over_time()", "{}", "rate()"])
def test_a_metric_beyond_the_stand_in_is_refused_with_a_sentence(alone: Tempo, query: str) -> None:
    status, sentence = alone.counted(query)
    assert (status, len(str(sentence).split()) > 3) == (400, True)


def test_attributes_can_be_listed(tempo: Tempo) -> None:
    names = json.loads(tempo.get("/api/search/tags")[1])["tagNames"]
    assert set(names) == {"cached", "db.system", "gen_ai.request.model", "http.status_code", "service.name"}


def test_it_shows_the_configuration_in_force(tempo: Tempo) -> None:
    status, body = tempo.get("/status/config")
    assert status == 200
    assert "\n    compaction:\n" in body
    assert "        block_retention: 336h" in body


def test_metrics_of_spans_reach_a_real_prometheus(tempo: Tempo, prometheus: int) -> None:
    def series(query: str) -> list[dict[str, str]]:
        url = f"http://127.0.0.1:{prometheus}/api/v1/query?query={urllib.parse.quote(query)}"
        return [one["metric"] for one in json.loads(ask(url, None, {})[1])["data"]["result"]]

    calls = 'traces_spanmetrics_calls_total{service="backend"} == 1'
    graph = "traces_service_graph_request_total == 1"
    assert until(lambda: bool(series(calls) and series(graph)), 60)
    kept = {"environment", "gen_ai_request_model", "service", "span_kind", "span_name", "status_code"}
    assert {name: value for name, value in series(calls)[0].items() if name in kept} == {
        "environment": "lab", "gen_ai_request_model": "gpt-4o", "service": "backend",
        "span_kind": "SPAN_KIND_SERVER", "span_name": "inference", "status_code": "STATUS_CODE_ERROR",
    }  # fmt: skip
    assert [(one["client"], one["server"]) for one in series(graph)] == [("gateway", "backend")]
    assert len(series("traces_service_graph_request_failed_total == 1")) == 1
    assert {one["le"] for one in series('traces_spanmetrics_latency_bucket{service="backend"} == 1')} > {"+Inf"}
    assert not series('traces_spanmetrics_latency_bucket{service="database", le=~"0.1|1|1.0"} > 0')
    assert len(series("traces_service_graph_request_server_seconds_count == 1")) == 1
    assert until(lambda: tempo.metric("prometheus_remote_storage_samples_total") > 0, 30)
    assert tempo.metric("prometheus_remote_storage_samples_failed_total") == 0


def test_what_came_in_is_counted(tempo: Tempo) -> None:
    assert tempo.metric("tempo_distributor_spans_received_total") == 3
    assert tempo.metric("tempo_metrics_generator_spans_received_total") == 3
    assert tempo.metric("tempo_distributor_bytes_received_total") > 300
    assert "tempo_build_info{" in tempo.get("/metrics")[1]


@pytest.mark.parametrize(
    "body",
    [
        b"[]", b"{", b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "no ids"}]}]}]}',
        as_json(batch("a", TRACE, "abcd", "a short id")),
        as_json(batch("a", TRACE, CHAT, "a parent that is none", parentSpanId="xyz")),
        as_json(batch("a", TRACE, CHAT, "no such kind", kind=17)),
        as_json(batch("a", TRACE, CHAT, "no such status", status={"code": "STATUS_CODE_FINE"})),
    ],
)  # fmt: skip
def test_what_is_no_span_is_refused_whole(alone: Tempo, body: bytes) -> None:
    assert alone.post(body) == 400
    assert alone.search("{}") == (200, [])


def test_what_is_no_request_is_refused(alone: Tempo) -> None:
    whole = as_protobuf("a", TRACE, CHAT, "a", 1)
    assert alone.post(whole[:-1], "application/x-protobuf") == 400
    assert alone.post(b"\x0b", "application/x-protobuf") == 400
    assert alone.post(b"\x80", "application/x-protobuf") == 400
    assert alone.post(whole, "application/x-protobuf", Content_Encoding="gzip") == 400
    assert alone.post(whole, "text/plain") == 415
    assert alone.post(whole, "application/x-protobuf", "/v1/logs") == 404
    assert alone.post(whole, "application/x-protobuf") == 200


def test_what_the_stand_in_cannot_do_it_says(alone: Tempo) -> None:
    assert alone.post(as_json(batch("a", TRACE, CHAT, "a"))) == 200
    for path in ("/api/metrics/query_range?q={}", "/api/search?tags=a", "/api/v2/search/tags"):
        status, sentence = alone.get(path)
        assert (status, "the stand-in" in sentence) == (400, True), path
    assert "JSON only" in alone.get(f"/api/traces/{TRACE}", Accept="application/protobuf")[1]


def test_what_came_in_survives_a_kill(tempo: Tempo) -> None:
    tempo.stop(signal.SIGKILL)
    tempo.start()
    assert tempo.get(f"/api/traces/{TRACE}")[0] == tempo.get(f"/api/traces/{OTHER}")[0] == 200
    assert until(lambda: tempo.found("{}") == {CHAT, MODEL, QUERY}, 20)


def test_it_ends_well_when_told_to(alone: Tempo) -> None:
    assert alone.stop() == 0


def test_what_is_too_old_or_was_cut_off_goes_at_the_next_start(alone: Tempo) -> None:
    old = batch("a", TRACE, CHAT, "old")
    long_ago = str(time.time_ns() - 400 * 3600 * 10**9)
    old["scopeSpans"][0]["spans"][0] |= {"startTimeUnixNano": long_ago, "endTimeUnixNano": long_ago}
    assert alone.post(as_json(old)) == alone.post(as_json(batch("a", OTHER, CHAT, "new"))) == 200
    alone.stop()
    with (alone.home / "wal" / "standin.jsonl").open("a") as file:
        file.write('{"resourceSpans": [')
    alone.start()
    assert (alone.get(f"/api/traces/{TRACE}")[0], alone.get(f"/api/traces/{OTHER}")[0]) == (404, 200)
    assert "it was cut off" in (alone.home / "log").read_text()
    assert len((alone.home / "wal" / "standin.jsonl").read_text().splitlines()) == 1


def test_a_trace_without_its_beginning_is_found_all_the_same(alone: Tempo) -> None:
    assert alone.post(as_json(batch("a", TRACE, CHAT, "a", parentSpanId=MODEL))) == 200
    assert alone.search("{}")[1][0]["rootServiceName"] == "<root span not yet received>"


def test_metrics_that_nobody_takes_are_counted_and_told(alone: Tempo) -> None:
    assert alone.post(as_json(batch("a", TRACE, CHAT, "a"))) == 200
    assert until(lambda: alone.metric("prometheus_remote_storage_samples_retried_total") > 0, 20)
    assert alone.metric("prometheus_remote_storage_samples_total") == 0
    assert "remote write to" in (alone.home / "log").read_text()


def test_metrics_that_are_refused_are_counted_as_failed(tmp_path: Path, prometheus: int) -> None:
    tempo = Tempo(STAND_IN, tmp_path, prometheus)
    text = (tmp_path / "tempo.yml").read_text()
    (tmp_path / "tempo.yml").write_text(text.replace("/api/v1/write", "/api/v1/nothing"))
    tempo.start()
    try:
        assert tempo.post(as_json(batch("a", TRACE, CHAT, "a"))) == 200
        assert until(lambda: tempo.metric("prometheus_remote_storage_samples_failed_total") > 0, 20)
    finally:
        tempo.stop()


def test_without_a_remote_write_no_metrics_are_made(tmp_path: Path) -> None:
    tempo = Tempo(STAND_IN, tmp_path, 1)
    text = (tmp_path / "tempo.yml").read_text()
    (tmp_path / "tempo.yml").write_text("".join(line for line in text.splitlines(True) if "remote_write" not in line))
    tempo.start()
    try:
        assert tempo.post(as_json(batch("a", TRACE, CHAT, "a"))) == 200
        assert tempo.metric("tempo_distributor_spans_received_total") == 1
        assert tempo.metric("tempo_metrics_generator_spans_received_total") == 0
    finally:
        tempo.stop()


def test_numbers_and_texts_are_read_as_they_were_written() -> None:
    assert list(fields(b"\x08\x96\x01" + part(2, b"text") + b"\x1d\x01\x00\x00\x00")) == [
        (1, 150),
        (2, b"text"),
        (3, 1),
    ]
    mixed = batch("a", TRACE, CHAT, "a", attributes={"share": 0.5, "many": 7, "sure": False})
    mixed["scopeSpans"][0]["spans"][0]["attributes"].append({"key": "list", "value": {"arrayValue": {}}})
    [span] = read({"resourceSpans": [mixed]})
    assert dict(span.attributes) == {"share": 0.5, "many": 7, "sure": False}


def test_a_long_request_is_framed_in_pieces() -> None:
    data = os.urandom(150_000)
    framed = snappy(data)
    size, at = varint(framed, 0)
    pieces = []
    while at < len(framed):
        length = int.from_bytes(framed[at + 1 : at + 3], "little") + 1
        pieces.append(framed[at + 3 : at + 3 + length])
        at += 3 + length
    assert (size, b"".join(pieces)) == (len(data), data)
