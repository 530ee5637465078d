"""The Loki stand-in answers as the real Loki does, wherever that is at hand, and refuses what it cannot honour."""

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.waiting import until

ROOT = Path(__file__).parents[2]
STAND_IN = ("env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "lab.standins.loki")
CONFIG = """\
auth_enabled: false
analytics: {reporting_enabled: false}
server: {http_listen_address: 127.0.0.1, http_listen_port: HTTP, grpc_listen_address: 127.0.0.1, grpc_listen_port: GRPC}
common:
  path_prefix: HOME
  instance_addr: 127.0.0.1
  replication_factor: 1
  ring: {instance_addr: 127.0.0.1, kvstore: {store: inmemory}}
frontend: {scheduler_address: "127.0.0.1:GRPC"}
frontend_worker: {scheduler_address: "127.0.0.1:GRPC"}
ingester: {lifecycler: {min_ready_duration: 0s}}
schema_config:
  configs: [{from: "2025-01-01", store: tsdb, object_store: filesystem, schema: v13, index: {prefix: i_, period: 24h}}]
storage_config: {filesystem: {directory: HOME/chunks}}
compactor: {working_directory: HOME/compactor, retention_enabled: true, delete_request_store: filesystem}
limits_config: {retention_period: 30d, discover_log_levels: false}
runtime_config: {file: HOME/runtime.yaml, period: 1s}
ruler: {storage: {type: local, local: {directory: HOME/rules}}, rule_path: HOME/scratch}
"""
RULES = """\
groups:
  - name: logs
    interval: 1s
    rules: [{record: "logs:lines:rate5m", expr: 'sum by (service_name) (rate({service_name=~".+"}[5m]))'}]
"""
BROKEN = {
    "an unknown section": ("common:", "commons:", "field commons not found"),
    "a section given twice": ("analytics:", "analytics: {}\nanalytics:", "analytics given twice"),
    "a bad duration": ("30d", "30 days", "limits_config.retention_period: not a valid duration"),
    "no store for deletions": (", delete_request_store: filesystem", "", "delete_request_store should be configured"),
    "an old schema": ("v13", "v12", "schema must be v13"),
    "a short index": ("24h", "12h", "index.period must be 24h"),
    "no YAML": ("auth_enabled: false", "auth_enabled: [", "not YAML"),
}
# What only the stand-in refuses: Loki has defaults for these.
BROKEN_FOR_THE_STAND_IN = {
    "a missing port": ("http_listen_port: HTTP, ", "", "server.http_listen_port must be given"),
    "a port that is none": ("HTTP", "90090", "90090 is not a port"),
    "a missing directory": ("{filesystem: {directory: HOME/chunks}}", "{}", "filesystem.directory must be given"),
    "a section that is no mapping": ("{retention_period: 30d, discover_log_levels: false}", "[]", "not a mapping"),
    "no period at all": ("configs: [{", "config: [{", "schema_config.configs must be given"),
    "a top level that is no mapping": (CONFIG, "- auth_enabled\n", "the top level is not a mapping"),
}
LINES = [
    ({"app": "gatewayz", "level": "info", "service": "api"}, [
        {"message": "ok", "status_code": 200, "duration_ms": 10, "provider": "one", "nested": {"a": 1}},
        {"message": "ok", "status_code": 200, "duration_ms": 30, "provider": "one"},
        {"message": "slow", "status_code": 503, "duration_ms": 1200, "provider": "two"},
    ]),
    ({"job": "journal", "host": "lab1", "level": "err"}, ["Disk is full", "no json {"]),
]  # fmt: skip
JSON = '{app="gatewayz"} | json status_code="status_code", provider="provider", duration_ms="duration_ms"'
# Query → what it answers: labels as given here → value, now.
ANSWERS: dict[str, dict[str, float]] = {
    'sum(count_over_time({job="journal"}[5m]))': {"": 2},
    'sum by (level) (count_over_time({level=~".+"}[5m]))': {"info": 3, "err": 2},
    'sum by (level) (count_over_time({level!~"inf.", service_name=~".+"}[5m]))': {"err": 2},
    'sum by (service_name) (rate({service_name=~".+"}[5m]))': {"api": 3 / 300, "journal": 2 / 300},
    'sum by (service_name) (count_over_time({app="gatewayz"} |= `"slow"` [5m]))': {"api": 1},
    'sum(count_over_time({job="journal"} |~ "(?i)disk" != "empty" !~ "^no" [5m]))': {"": 1},
    'sum by (host) (bytes_rate({job="journal"}[1m]))': {"lab1": 21 / 60},
    'sum(bytes_over_time({job="journal"}[1m]))': {"": 21},
    f"sum by (provider) (count_over_time({JSON} | status_code >= 500 [5m]))": {"two": 1},
    f'sum by (provider) (count_over_time({JSON} | status_code != "503" | provider =~ "o.*" [5m]))': {"one": 2},
    'sum by (nested_a) (count_over_time({app="gatewayz"} | json | nested_a = 1 [5m]))': {"1": 1},
    'count(sum by (provider) (count_over_time({app="gatewayz"} | json [5m])))': {"": 2},
    'sum(count_over_time({job="journal"} | json | __error__ = "" [5m]))': {},
    f'quantile_over_time(0.5, {JSON} | unwrap duration_ms | __error__="" [5m]) by (provider)': {"one": 20, "two": 1200},
    f"max_over_time({JSON} | unwrap duration_ms [5m]) by (app)": {"gatewayz": 1200},
    f"min_over_time({JSON} | unwrap duration_ms [5m]) by (app)": {"gatewayz": 10},
    f'avg_over_time({JSON} | provider = "one" | unwrap duration_ms [5m]) by (app)': {"gatewayz": 20},
    f"sum by (provider) (sum_over_time({JSON} | unwrap duration_ms [5m]))": {"one": 40, "two": 1200},
    'topk(1, sum by (level) (count_over_time({level=~".+"}[5m])))': {"info": 3},
    'bottomk(1, sum by (level) (count_over_time({level=~".+"}[5m])))': {"err": 2},
    'avg(sum by (level) (count_over_time({level=~".+"}[5m])))': {"": 2.5},
    'min(sum by (level) (count_over_time({level=~".+"}[5m])))': {"": 2},
    'max(sum without (app, service, service_name) (count_over_time({app="gatewayz"}[5m])))': {"": 3},
    '60 * sum by (level) (rate({level="err"}[1m])) / 2': {"err": 1},
    '1 + (2 - sum by (level) (count_over_time({level=~".+"}[5m]))) * 2': {"info": -1, "err": 1},
    'sum(count_over_time({level="err"}[5m])) / sum(count_over_time({level=~".+"}[5m]))': {"": 0.4},
    "vector(1)+vector(1)": {"": 2},
    'sum(count_over_time({job="nobody"}[5m]))': {},
}
REFUSED = [
    '{job="journal"}',  # lines at one moment
    "sum by (a",
    "sum(rate({}[5m]))",
    'sum(rate({job=~".*"}[5m]))',
    'rate({job="journal"})',
    'rate({job=~"("}[5m])',
    'rate({job="journal"} | level > "a" [5m])',
    'rate({job="journal"} | level =~ 5 [5m])',
    'frob({job="journal"}[5m])',
    'max_over_time({job="journal"}[5m])',
    'max_over_time({app="gatewayz"} | json | unwrap message [5m])',
    "sum(1)",
    "1 +",
    "§",
]


class Loki:
    """A Loki of one kind or the other."""

    def __init__(self, command: tuple[str, ...], home: Path) -> None:
        self.command, self.home = command, home
        self.http, self.grpc = free_port(), free_port()
        (home / "rules" / "fake").mkdir(parents=True)
        (home / "rules" / "fake" / "logs.yml").write_text(RULES)
        (home / "runtime.yaml").write_text("overrides: {}\n")
        (home / "loki.yml").write_text(self.config(CONFIG))

    def config(self, text: str) -> str:
        return text.replace("HTTP", str(self.http)).replace("GRPC", str(self.grpc)).replace("HOME", str(self.home))

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self.command, *words], capture_output=True, text=True, timeout=30)

    def verify(self, text: str) -> subprocess.CompletedProcess[str]:
        (self.home / "other.yml").write_text(self.config(text))
        return self.call("-verify-config", f"-config.file={self.home / 'other.yml'}")

    def start(self) -> None:
        with (self.home / "log").open("a") as log:
            words = [*self.command, f"-config.file={self.home / 'loki.yml'}"]
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        assert until(lambda: self.ask("/ready")[0] == 200, 30), (self.home / "log").read_text()[-2000:]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", body, named)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def push(self, labels: dict[str, str], texts: list[str], at: int | None = None) -> tuple[int, str]:
        values = [[str((at or time.time_ns()) + index), text] for index, text in enumerate(texts)]
        body = json.dumps({"streams": [{"stream": labels, "values": values}]}).encode()
        return self.ask("/loki/api/v1/push", body, Content_Type="application/json")

    def question(self, name: str, **given: str) -> Any:
        status, body = self.ask(f"/loki/api/v1/{name}?{urllib.parse.urlencode(given)}")
        assert status == 200, body
        return json.loads(body).get("data", [])

    def vector(self, query: str) -> dict[str, float]:
        """What a query answers now; a series is named by the values of its labels."""
        found = self.question("query", query=query)["result"]
        return {" ".join(one["metric"].values()): float(one["value"][1]) for one in found}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module", params=["stand-in", "real"])
def stopped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loki:
    """Each kind of Loki, not running."""
    real = Path(os.environ.get("LGTM_BINARIES", "/nonexistent")) / "loki"
    if request.param == "real" and not real.exists():
        pytest.skip("no real Loki: set LGTM_BINARIES to a folder with the executable `loki`")
    return Loki(STAND_IN if request.param == "stand-in" else (str(real),), tmp_path_factory.mktemp("loki"))


@pytest.fixture(scope="module")
def loki(stopped: Loki) -> Iterator[Loki]:
    """Each kind of Loki, with the lines above in it."""
    stopped.start()
    try:
        for labels, texts in LINES:
            lines = [text if isinstance(text, str) else json.dumps(text) for text in texts]
            assert stopped.push(labels, lines)[0] == 204
        yield stopped
    finally:
        stopped.stop()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Loki]:
    """The stand-in, running and empty."""
    found = Loki(STAND_IN, tmp_path)
    found.start()
    yield found
    found.stop()


def test_it_says_what_it_is(tmp_path: Path) -> None:
    run = Loki(STAND_IN, tmp_path).call("-version")
    assert (run.returncode, run.stdout) == (0, "loki, version 3.7.8+standin: a stand-in\n")


def test_a_good_configuration_is_accepted(stopped: Loki) -> None:
    run = stopped.verify(CONFIG)
    assert (run.returncode, "config is valid" in run.stderr) == (0, True)


@pytest.mark.parametrize("fault", BROKEN)
def test_a_bad_configuration_is_refused(stopped: Loki, fault: str) -> None:
    old, new, complaint = BROKEN[fault]
    assert old in CONFIG
    run = stopped.verify(CONFIG.replace(old, new, 1))
    assert run.returncode == 1
    assert complaint in run.stderr or stopped.command != STAND_IN


@pytest.mark.parametrize("fault", BROKEN_FOR_THE_STAND_IN)
def test_the_stand_in_refuses_what_it_would_have_to_guess(tmp_path: Path, fault: str) -> None:
    old, new, complaint = BROKEN_FOR_THE_STAND_IN[fault]
    assert old in CONFIG
    run = Loki(STAND_IN, tmp_path).verify(CONFIG.replace(old, new, 1))
    assert (run.returncode, complaint in run.stderr) == (1, True), run.stderr


def test_it_refuses_a_file_that_is_not_there_and_an_unknown_flag(tmp_path: Path) -> None:
    found = Loki(STAND_IN, tmp_path)
    assert found.call("-verify-config", "-config.file", "/nonexistent.yml").returncode == 1
    run = found.call("-modules")
    assert (run.returncode, "not defined: -modules" in run.stderr) == (2, True)
    (tmp_path / "runtime.yaml").unlink()
    assert "cannot read runtime file" in found.call(f"-config.file={tmp_path / 'loki.yml'}").stderr


@pytest.mark.parametrize("query", ANSWERS)
def test_a_query_is_answered(loki: Loki, query: str) -> None:
    assert loki.vector(query) == pytest.approx(ANSWERS[query])


@pytest.mark.parametrize("query", REFUSED)
def test_a_query_that_means_nothing_is_refused(loki: Loki, query: str) -> None:
    status, body = loki.ask(f"/loki/api/v1/query?{urllib.parse.urlencode({'query': query})}")
    assert status == 400, body
    assert body


def test_lines_come_back_with_their_labels(loki: Loki) -> None:
    found = loki.question("query_range", query='{job="journal"}', limit="1")
    labels = {"job": "journal", "host": "lab1", "level": "err", "service_name": "journal"}
    assert [(one["stream"], one["values"][0][1]) for one in found["result"]] == [(labels, "no json {")]
    found = loki.question("query_range", query='{job="journal"}', direction="forward")
    assert [text for _, text in found["result"][0]["values"]] == ["Disk is full", "no json {"]
    found = loki.question("query_range", query='{job="journal"}', start="2026-01-01T00:00:00Z", end="1767229200")
    assert found["result"] == []


def test_a_range_is_answered_step_by_step(loki: Loki) -> None:
    now = time.time_ns()
    given = {"start": str(now - 120 * 10**9), "end": str(now), "step": "60"}
    query = 'sum by (level) (count_over_time({level="err"}[10m]))'
    found = loki.question("query_range", query=query, **given)
    assert found["resultType"] == "matrix"
    [series] = found["result"]
    assert (series["metric"], series["values"][-1][1]) == ({"level": "err"}, "2")


def test_labels_their_values_and_streams_are_listed(loki: Loki) -> None:
    assert {"app", "host", "job", "level", "service", "service_name"} <= set(loki.question("labels"))
    assert loki.question("label/level/values") == ["err", "info"]
    assert loki.question("label/level/values", query='{job="journal"}') == ["err"]
    assert loki.question("label/nothing/values") == []
    [series] = loki.question("series", **{"match[]": '{app="gatewayz"}'})
    assert series == {"app": "gatewayz", "level": "info", "service": "api", "service_name": "api"}


def test_rules_are_evaluated(loki: Loki) -> None:
    def health() -> list[tuple[str, str]]:
        body = json.loads(loki.ask("/prometheus/api/v1/rules")[1])
        return [(rule["name"], rule["health"]) for group in body["data"]["groups"] for rule in group["rules"]]

    assert until(lambda: health() == [("logs:lines:rate5m", "ok")], 30)


def test_its_metrics_tell_what_arrived(loki: Loki) -> None:
    body = loki.ask("/metrics")[1]
    samples = {line.partition("{")[0]: float(line.split()[-1]) for line in body.splitlines() if "{" in line}
    assert samples["loki_distributor_lines_received_total"] >= 5
    assert samples["loki_distributor_bytes_received_total"] > 100
    assert samples["loki_ingester_memory_streams"] == 2
    assert samples["loki_runtime_config_last_reload_successful"] == 1
    assert 'loki_ring_members{name="ingester",state="ACTIVE"} 1' in body


@pytest.mark.parametrize(
    "body", [b"{", b'{"streams": [{"stream": {}, "values": [["1", "x"]]}]}', b'{"streams": [{"stream": {"a": "b"}, "v'],
)  # fmt: skip
def test_what_is_no_push_is_refused(loki: Loki, body: bytes) -> None:
    assert loki.ask("/loki/api/v1/push", body, Content_Type="application/json")[0] == 400


def test_a_line_that_is_too_old_is_refused(loki: Loki) -> None:
    status, body = loki.push({"job": "journal", "level": "err"}, ["yesteryear"], time.time_ns() - 200 * 3600 * 10**9)
    assert (status, "yesteryear" in loki.ask("/loki/api/v1/query_range?query=%7Bjob%3D%22journal%22%7D")[1]) == (
        400,
        False,
    ), body
    assert "loki_discarded_samples_total{" in loki.ask("/metrics")[1]


def test_nothing_is_lost_in_a_restart(loki: Loki) -> None:
    query = 'sum by (level) (count_over_time({level=~".+"}[30m]))'
    before = loki.vector(query)
    assert loki.stop() == 0
    loki.start()
    assert loki.vector(query) == before == {"info": 3, "err": 2}


def test_the_stand_in_takes_compressed_lines_and_no_other_form(alone: Loki) -> None:
    stream = {"stream": {"job": "journal"}, "values": [[str(time.time_ns()), "x", {"trace_id": "abc"}]]}
    body = gzip.compress(json.dumps({"streams": [stream]}).encode())
    headers = {"Content_Type": "application/json", "Content_Encoding": "gzip"}
    assert alone.ask("/loki/api/v1/push", body, **headers)[0] == 204
    assert alone.vector('sum by (trace_id) (count_over_time({job="journal"} | trace_id="abc" [5m]))') == {"abc": 1}
    assert alone.ask("/loki/api/v1/push", b"not gzip", **headers)[0] == 400
    status, said = alone.ask("/loki/api/v1/push", b"\x00", Content_Type="application/x-protobuf")
    assert (status, "takes application/json only" in said) == (400, True)


def test_the_stand_in_says_what_it_cannot_do(alone: Loki) -> None:
    for path in ("index/volume", "tail", "label/a"):
        status, said = alone.ask(f"/loki/api/v1/{path}")
        assert (status, said) == (400, f"the stand-in cannot do /loki/api/v1/{path}\n")
    for step in ("0", "1ms"):
        status, said = alone.ask(f"/loki/api/v1/query_range?query=vector(1)&step={step}")
        assert (status, "gives no points" in said) == (400, True)
    assert alone.ask("/loki/api/v1/series?match[]=vector(1)")[0] == 400
    assert alone.ask("/elsewhere")[0] == 404


def test_the_stand_in_names_a_rule_that_is_not_logql(alone: Loki) -> None:
    (alone.home / "rules" / "fake" / "logs.yml").write_text(RULES.replace("rate(", "clamp_min("))
    [group] = json.loads(alone.ask("/prometheus/api/v1/rules")[1])["data"]["groups"]
    [rule] = group["rules"]
    assert (rule["health"], "clamp_min" in rule["lastError"]) == ("err", True)


def test_the_stand_in_follows_its_runtime_file(alone: Loki) -> None:
    def healthy() -> bool:
        return "loki_runtime_config_last_reload_successful{" in (body := alone.ask("/metrics")[1]) and (
            'successful{config="loki"} 1' in body
        )

    assert healthy()
    (alone.home / "runtime.yaml").write_text("overrides: [")
    assert until(lambda: not healthy(), 10)
    (alone.home / "runtime.yaml").write_text("overrides: {fake: {ingestion_rate_mb: 3}}\n")
    assert until(healthy, 10)
    assert alone.ask("/runtime_config")[1] == "overrides: {fake: {ingestion_rate_mb: 3}}\n\n"


def test_the_stand_in_survives_being_killed_while_it_writes(alone: Loki) -> None:
    assert alone.push({"job": "journal"}, ["whole"])[0] == 204
    alone.process.kill()
    alone.process.wait()
    with (alone.home / "chunks" / "standin.jsonl").open("a") as file:
        file.write('{"stream": [["job", "journal"]], "lines": [[1, "ha')
    alone.start()
    assert alone.push({"job": "journal"}, ["after"])[0] == 204
    alone.stop()
    alone.start()
    assert alone.vector('sum(count_over_time({job="journal"}[5m]))') == {"": 2}
