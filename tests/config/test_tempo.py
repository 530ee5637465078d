"""Tempo's rendered configuration is valid for 2.x and for 3.x; its checks judge answers."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from sites import ONE, ROOT, SPLIT, component, file, make_site, parsed, stage, validate

from lgtm.load.plugins import tasks
from lgtm.model.checks import Answer, Bad, Check
from lgtm.model.errors import Refusal
from tasks.shared.inforce import body, difference
from tests.lab_machines.test_standins import SEARCHES, span

KEYS = ROOT.parent / "shared" / "reference" / "config-keys" / "tempo-2.6.1.json"
TWO, THREE = "2.10.8", "3.0.3"
VERSIONS = pytest.mark.parametrize("version", ["2.5.0", "2.6.1", TWO, THREE])
ANY_BELOW = ("list of", "map of", "any")  # in the key list: what is below such a key is not listed
WITHOUT_MIMIR = {"one": tuple(name for name in ONE["one"] if name != "mimir")}
TRACE = "5b8efff798038103d269b633813fc60c"


def main(hosts: Any = ONE, **data: Any) -> dict[str, Any]:
    """The rendered file, flat: `storage.trace.backend` → `local`."""
    return dict(flat(parsed(component(make_site(hosts, **data), "tempo"), "tempo.yml")))


def flat(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """A list of mappings is flattened too: `remote_write[].url`."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for one in value:
                yield from flat(one, f"{prefix}{key}[].")
        else:
            yield f"{prefix}{key}", value


def checks(hosts: Any = ONE, **data: Any) -> dict[str, Check]:
    site = make_site(hosts, **data)
    node = site.carrying("tempo")[0]
    found = tasks()["tempo"].checks(node.services["tempo"], site.at(node))
    return {check.id: check for check in found}


def known(key: str, keys: dict[str, str]) -> bool:
    parts = key.split(".")
    above = (".".join(parts[:many]) for many in range(1, len(parts)))
    return key in keys or any(keys.get(one, "").startswith(ANY_BELOW) for one in above)


def test_every_key_exists_in_tempo_2_6() -> None:
    if not KEYS.exists():
        pytest.skip("no key list for Tempo 2.6.1 beside this repository")
    keys: dict[str, str] = json.loads(KEYS.read_text())
    assert [key for key in main(tempo_version="2.6.1") if not known(key, keys)] == []
    assert not known("live_store.wal.path", keys)  # the list tells a wrong key from a right one


def test_each_version_has_its_own_sections() -> None:
    two, three = ({key.partition(".")[0] for key in main(tempo_version=version)} for version in (TWO, THREE))
    assert two - three == {"ingester", "compactor", "query_frontend"}
    assert three - two == {"live_store", "backend_scheduler", "backend_worker"}


@pytest.mark.parametrize("version", ["2.4.2", "1.5.0", "4.0.0", "latest", "2.50"])
def test_a_version_whose_sections_are_not_known_is_refused(version: str) -> None:
    with pytest.raises(Refusal, match="tempo_version"):
        make_site(tempo_version=version)


@VERSIONS
def test_the_required_figures(version: str) -> None:
    found = main(tempo_version=version)
    part = "backend_worker" if version == THREE else "compactor"
    assert found[f"{part}.compaction.block_retention"] == f"{14 * 86400}s"
    assert (found["server.http_listen_port"], found["server.grpc_listen_port"]) == (3200, 9097)
    assert found["usage_report.reporting_enabled"] is False
    assert found["multitenancy_enabled"] is False
    assert found["storage.trace.backend"] == "local"


def test_settings_reach_the_file() -> None:
    found = main(
        tempo_retention="3d", tempo_ingestion_rate="1M", tempo_ingestion_burst="2M", tempo_max_traces=5,
        tempo_max_trace_size="3M", tempo_max_series=7, tempo_span_dimensions=["a"], tempo_latency_buckets=[1.0],
    )  # fmt: skip
    assert found["compactor.compaction.block_retention"] == "259200s"
    limits = "overrides.defaults.ingestion"
    rates = (found[f"{limits}.rate_limit_bytes"], found[f"{limits}.burst_size_bytes"])
    assert rates == (2**20, 2**21)
    assert found[f"{limits}.max_traces_per_user"] == 5
    assert found["overrides.defaults.global.max_bytes_per_trace"] == 3 * 2**20
    assert found["overrides.defaults.metrics_generator.max_active_series"] == 7
    assert found["metrics_generator.processor.span_metrics.dimensions"] == ["a"]
    assert found["metrics_generator.processor.span_metrics.histogram_buckets"] == [1.0]


@VERSIONS
def test_receivers_are_addressed_and_only_what_peers_use_leaves_the_host(version: str) -> None:
    at = "distributor.receivers.otlp.protocols"
    for hosts, data, address in (
        (ONE, {}, "127.0.0.1"), (ONE, {"tempo_exposed": True}, "192.0.2.11"), (SPLIT, {}, "192.0.2.12"),
    ):  # fmt: skip
        found = main(hosts, tempo_version=version, **data)
        assert found[f"{at}.grpc.endpoint"] == f"{address}:4317"
        assert found[f"{at}.http.endpoint"] == f"{address}:4318"
        assert (found["server.http_listen_address"], found["server.grpc_listen_address"]) == (address, "127.0.0.1")
        ports = {port.name: port.address for port in component(make_site(hosts, **data), "tempo").ports}
        assert ports == {"http": address, "grpc": "127.0.0.1", "otlp_grpc": address, "otlp_http": address}


@VERSIONS
def test_no_address_is_left_to_be_guessed_and_no_ring_is_gossiped(version: str) -> None:
    found = main(tempo_version=version)
    stores = {key for key in found if key.endswith("kvstore.store")}
    assert len(stores) == 3
    assert {found[key] for key in stores} == {"inmemory"}
    for key in stores:
        ring = key.removesuffix(".kvstore.store")
        address = "ingester.lifecycler.address" if ring.startswith("ingester") else f"{ring}.instance_addr"
        assert found[address] == "127.0.0.1", ring
    assert not [key for key in found if key.startswith("memberlist")]


@VERSIONS
def test_no_path_is_a_prefix_of_another(version: str) -> None:
    paths = [value for value in main(tempo_version=version).values() if str(value).startswith("/")]
    assert len(paths) == (6 if version == THREE else 4)
    for one in paths:
        assert one.startswith("/data/tempo/")
        assert [other for other in paths if other.startswith(one)] == [one]


def test_the_log_of_an_older_tempo_is_replayed_by_a_newer_one() -> None:
    two, three = (main(tempo_version=version) for version in (TWO, THREE))
    assert two["storage.trace.wal.path"] == three["live_store.wal.path"] != three["storage.trace.wal.path"]


def test_metrics_of_spans_go_to_mimir_with_exemplars() -> None:
    found = main(SPLIT)
    write = "metrics_generator.storage.remote_write[]"
    assert found[f"{write}.url"] == "http://192.0.2.12:9009/api/v1/push"
    assert found[f"{write}.send_exemplars"] is True
    assert found["metrics_generator.registry.external_labels.environment"] == "test"


def processors(hosts: Any = ONE, **data: Any) -> Any:
    return main(hosts, **data).get("overrides.defaults.metrics_generator.processors")


def test_without_a_mimir_no_metrics_are_made_but_for_traceql() -> None:
    assert processors(SPLIT) == ["service-graphs", "span-metrics", "local-blocks"]
    assert processors(SPLIT, tempo_version=THREE) == ["service-graphs", "span-metrics"]
    assert processors(WITHOUT_MIMIR) == ["local-blocks"]
    assert not [key for key in main(WITHOUT_MIMIR) if "remote_write" in key or "registry" in key or "span_" in key]
    assert not [key for key in main(WITHOUT_MIMIR, tempo_version=THREE) if "metrics_generator" in key]
    assert "tempo.generator" in checks()
    assert "tempo.generator" not in checks(WITHOUT_MIMIR)


@VERSIONS
def test_the_stack_itself_is_not_in_the_service_map(version: str) -> None:
    """Prometheus' own spans and the canary's: an edge that either has an end of is dropped on the way to Mimir."""
    [queue] = parsed(component(make_site(SPLIT, tempo_version=version), "tempo"), "tempo.yml")["metrics_generator"][
        "storage"
    ]["remote_write"]
    rules = [(rule["source_labels"], rule["regex"]) for rule in queue["write_relabel_configs"]]
    assert {rule["action"] for rule in queue["write_relabel_configs"]} == {"drop"}

    def dropped(name: str, **labels: str) -> bool:
        series = {"__name__": name, **labels}
        return any(re.fullmatch(regex, ";".join(series.get(one, "") for one in names)) for names, regex in rules)

    edge = "traces_service_graph_request_total"
    assert dropped(edge, client="user", server="prometheus") and dropped(edge, client="prometheus", server="x")
    assert dropped(edge, client="user", server="lgtm-canary")
    assert not dropped(edge, client="gatewayz-api", server="redis") and not dropped(
        edge, client="a", server="prometheus2"
    )
    calls = "traces_spanmetrics_calls_total"
    assert dropped(calls, service="prometheus", span_kind="SPAN_KIND_SERVER")
    assert not dropped(calls, service="gatewayz-api", span_kind="SPAN_KIND_SERVER")
    assert not dropped(calls, service="lgtm-canary", span_kind="SPAN_KIND_INTERNAL")  # tempo.span_metrics counts on it


def test_traceql_metrics_of_2_are_bounded_and_reach_as_far_back_as_they_may_be_asked_for() -> None:
    found = main(tempo_metrics_window="2h", tempo_metrics_block="50M", tempo_max_traces=5)
    blocks = "metrics_generator.processor.local_blocks"
    assert found[f"{blocks}.complete_block_timeout"] == found["query_frontend.metrics.query_backend_after"] == "7200s"
    assert found["query_frontend.metrics.max_duration"] == "7500s"
    assert (found[f"{blocks}.max_block_bytes"], found[f"{blocks}.max_live_traces"]) == (50 * 2**20, 5)
    assert found[f"{blocks}.filter_server_spans"] is False  # calls of models are spans of clients
    assert found["metrics_generator.traces_storage.path"] == "/data/tempo/recent"
    assert f"{blocks}.flush_to_storage" not in found  # unknown to 2.5, and a second copy of everything


def test_spans_kept_twice_are_in_the_estimate() -> None:
    def expected(**data: Any) -> int:
        [volume] = component(make_site(tempo_bytes_expected=86400, tempo_retention="1d", **data), "tempo").volumes
        return volume.expects

    assert expected(tempo_metrics_window="12h") == 86400 * 3 // 2
    assert expected(tempo_metrics_window="12h", tempo_version=THREE) == 86400


def test_every_version_streams_to_grafana_on_the_http_port() -> None:
    assert {main(tempo_version=version)["stream_over_http_enabled"] for version in ("2.5.0", TWO, THREE)} == {True}


def test_customers_are_no_dimension() -> None:
    """Every value of a dimension is a series of its own, and so is every one of theirs."""
    dimensions = main()["metrics_generator.processor.span_metrics.dimensions"]
    assert not [one for one in dimensions if "customer" in one or "user" in one]


def test_the_unit_needs_no_exception() -> None:
    assert not component(make_site(), "tempo").unit.relax


def refused(check: Check, *answers: Answer) -> None:
    for answer in answers:
        with pytest.raises(Bad):
            check.judge(answer)


def metrics(spans: int = 0, sent: int = 0, failed: int = 0) -> Answer:
    at = '{remote_name="span-metrics",tenant="single-tenant"}'
    lines = (
        'tempo_build_info{version="2.5.0"} 1',
        f'tempo_distributor_spans_received_total{{tenant="single-tenant"}} {spans}',
        f'tempo_metrics_generator_spans_received_total{{tenant="single-tenant"}} {spans}',
        f"prometheus_remote_storage_samples_total{at} {sent}",
        f"prometheus_remote_storage_samples_failed_total{at} {failed}",
        'prometheus_remote_storage_samples_total{remote_name="another"} 1000000',
    )
    return Answer(200, "\n".join(lines))


def test_samples_that_mimir_refuses_are_bad() -> None:
    check = checks()["tempo.generator"]
    assert check.judge(metrics(5, 100, 1)) == "100 samples sent, 1 refused"
    assert check.judge(metrics()) == "no span yet, so nothing to send"
    refused(check, metrics(5, 100, 2), metrics(5, 0, 0), metrics(0, 0, 1), Answer(200, "up 1"), Answer(0, "refused"))
    assert check.gate == "peer" and check.slow


def test_that_no_application_sends_spans_is_a_warning() -> None:
    check = checks()["tempo.spans"]
    found = Answer(200, json.dumps({"traces": [{"traceID": TRACE, "rootServiceName": "gatewayz-api"}]}))
    assert check.judge(found) == "latest: gatewayz-api"
    refused(
        check, Answer(200, '{"traces": [], "metrics": {}}'), Answer(200, "{}"), Answer(503, "no"), Answer(0, "refused")
    )
    assert check.gate == "world" and check.slow
    assert "lgtm-canary%7Cprometheus" in check.url and "127.0.0.1:4317" in check.remedy


# From here on the real Tempo has the word.


@pytest.fixture
def real_tempo() -> Path:
    """The folder with the real Tempo; skips where nobody has given one."""
    folder = Path(os.environ.get("LGTM_BINARIES", "/nonexistent"))
    if not (folder / "tempo").exists():
        pytest.skip("no real Tempo: set LGTM_BINARIES to a folder with the executable `tempo`")
    return folder


def version_of(real: Path) -> str:
    """`tempo, version 2.6.1 (branch: …` → `2.6.1`."""
    said = subprocess.run([real / "tempo", "-version"], capture_output=True, text=True, check=True).stdout
    return said.split()[2]


@pytest.mark.parametrize("hosts", [ONE, SPLIT, WITHOUT_MIMIR], ids=["one host", "split", "no mimir"])
def test_the_real_tempo_accepts_it_without_a_warning(real_tempo: Path, tmp_path: Path, hosts: Any) -> None:
    found = component(make_site(hosts, tempo_version=version_of(real_tempo)), "tempo")
    [run] = validate(found, real_tempo, stage(found, tmp_path))
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("block_retention", "block_retentions"),
        ('"1209600s"', '"14d"'),
        ('"1209600s"', '"1m"'),  # shorter than Tempo looks for new blocks: a warning, which counts
        ("usage_report:", "usage_reports:"),
        ("storage:", "storage: {}\nstorage:"),
    ],
)
def test_the_real_tempo_refuses_it_broken(real_tempo: Path, tmp_path: Path, right: str, wrong: str) -> None:
    found = component(make_site(tempo_version=version_of(real_tempo)), "tempo")
    etc = stage(found, tmp_path)
    text = file(found, "tempo.yml")
    assert right in text
    (etc / "tempo.yml").write_text(text.replace(right, wrong, 1))
    assert validate(found, real_tempo, etc)[0].returncode == 1


def test_the_real_tempo_refuses_the_file_of_another_major(real_tempo: Path, tmp_path: Path) -> None:
    other = TWO if version_of(real_tempo).startswith("3.") else THREE
    found = component(make_site(tempo_version=other), "tempo")
    assert validate(found, real_tempo, stage(found, tmp_path))[0].returncode == 1


class Running:
    """The real Tempo with the rendered file; only the folder of its data is another, and the ports."""

    def __init__(self, real: Path, home: Path) -> None:
        ports = {f"tempo_{name}_port": free_port() for name in ("http", "grpc", "otlp_grpc", "otlp_http")}
        self.data = {"tempo_version": version_of(real), **ports}
        self.program, self.home, self.ports = real / "tempo", home, ports
        text = file(component(make_site(**self.data), "tempo"), "tempo.yml")
        (home / "tempo.yml").write_text(text.replace("/data/tempo", str(home / "data")))

    def start(self) -> None:
        """Start it, and note how many seconds it took to be ready."""
        words, began = [self.program, f"-config.file={self.home / 'tempo.yml'}"], time.monotonic()
        with (self.home / "log").open("a") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log)
        while time.monotonic() - began < 30:
            if self.get("/ready").status == 200:
                self.seconds = time.monotonic() - began
                return
            time.sleep(0.1)
        raise AssertionError((self.home / "log").read_text()[-2000:])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def get(self, path: str, body: bytes | None = None, port: str = "http") -> Answer:
        url = f"http://127.0.0.1:{self.ports[f'tempo_{port}_port']}{path}"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return Answer(response.status, response.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode())
        except OSError as error:
            return Answer(0, str(error))

    def send_span(self) -> None:
        now = time.time_ns()  # TraceQL metrics of 2.x overlook a block whose spans all begin and end in one second
        span = {"traceId": TRACE, "spanId": TRACE[:16], "name": "it", "kind": 2, "endTimeUnixNano": str(now),
                "startTimeUnixNano": str(now - 3 * 10**9)}  # fmt: skip
        service = {"attributes": [{"key": "service.name", "value": {"stringValue": "canary"}}]}
        body = json.dumps({"resourceSpans": [{"resource": service, "scopeSpans": [{"spans": [span]}]}]})
        assert self.get("/v1/traces", body.encode(), "otlp_http").status == 200

    def counted(self) -> float:
        """How many spans TraceQL metrics count within the last quarter of an hour; waits until there is one."""
        for _ in range(120):
            now = int(time.time())
            query = f"q=%7B%20%7D%20%7C%20rate%28%29&start={now - 900}&end={now + 60}&step=5"
            answer = self.get(f"/api/metrics/query_range?{query}")
            assert answer.status == 200, answer.body
            series = answer.json().get("series", [])
            if found := 5 * sum(float(one.get("value", 0)) for each in series for one in each["samples"]):
                return round(found, 6)
            time.sleep(0.5)
        return 0

    def judged(self, name: str) -> str:
        """What a check of this very site finds."""
        check = checks(**self.data)[name]
        return check.judge(self.get(check.url.partition(str(self.ports["tempo_http_port"]))[2]))


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def running(real_tempo: Path, tmp_path: Path) -> Iterator[Running]:
    found = Running(real_tempo, tmp_path)
    found.start()
    yield found
    found.kill()


def test_the_real_tempo_is_ready_at_once_and_passes_its_checks(running: Running) -> None:
    assert running.seconds < 10  # 15 of them would be Tempo's own wish
    assert running.judged("tempo.ready")
    rendered, shown = (running.home / "tempo.yml").read_text(), body(running.get("/status/config"))
    assert difference(yaml.safe_load(rendered), yaml.safe_load(shown)) == ""
    assert running.judged("tempo.generator") == "no span yet, so nothing to send"
    with pytest.raises(Bad):
        running.judged("tempo.spans")
    running.send_span()
    assert running.counted() == 1
    for _ in range(300):  # until the trace is over, for Tempo; 3.x takes half a minute
        with contextlib.suppress(Bad):
            assert running.judged("tempo.spans") == "the last of canary"
            return
        time.sleep(0.2)
    pytest.fail("Tempo does not find the span that it was sent")


def test_the_real_tempo_finds_what_the_stand_in_does(running: Running) -> None:
    def finds(query: str) -> bool:
        now = int(time.time())
        asked = f"/api/search?q={quote(query, safe='')}&start={now - 3600}&end={now + 60}"
        return bool(running.get(asked).json()["traces"])

    assert running.get("/v1/traces", json.dumps(span()).encode(), "otlp_http").status == 200
    for _ in range(300):
        if finds("{}"):
            break
        time.sleep(0.2)
    assert {query: finds(query) for query in SEARCHES} == SEARCHES


def test_the_real_tempo_finds_an_unflushed_trace_after_a_kill(running: Running) -> None:
    running.send_span()
    log = running.home / "data" / "wal"
    for _ in range(300):  # until the trace is over, for Tempo, and its part of the log is closed
        if list(log.glob("*+*/0000000002")):
            break
        time.sleep(0.1)
    running.kill()
    assert [one.name for one in log.iterdir() if "+single-tenant+" in one.name]
    running.start()
    assert running.get(f"/api/traces/{TRACE}").status == 200


def test_the_real_tempo_does_not_start_when_a_receiver_cannot_listen(real_tempo: Path, tmp_path: Path) -> None:
    """So whoever is ready does listen where the configuration in force says."""
    found = Running(real_tempo, tmp_path)
    with socket.create_server(("127.0.0.1", found.ports["tempo_otlp_http_port"])):
        process = subprocess.Popen([found.program, f"-config.file={tmp_path / 'tempo.yml'}"], stderr=subprocess.DEVNULL)
        try:
            for _ in range(100):
                assert found.get("/ready").status != 200
                if process.poll() is not None:
                    break
                time.sleep(0.1)
        finally:
            process.kill()
            process.wait()
