"""Loki's rendered configuration is valid and has the retention; its checks judge answers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from lokis import ALONE, HOSTS, SHIPPED, SPLIT, checks, loki
from sites import ROOT, file, parsed, stage, validate

from lgtm.model.checks import Answer, Bad

KEYS = ROOT.parent / "shared" / "reference" / "config-keys" / "loki-3.4.2.json"


def main(hosts: Any = HOSTS, **data: Any) -> dict[str, Any]:
    return dict(flat(parsed(loki(hosts, **data), "loki.yml")))


def flat(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """`{"a": {"b": [{"c": 1}]}}` → `("a.b[].c", 1)`; names that people choose become `*`."""
    for key, value in tree.items():
        name = prefix + ("*" if prefix.endswith("clients.") else key)
        if isinstance(value, dict):
            yield from flat(value, f"{name}.")
        elif isinstance(value, list):
            for one in value:
                yield from flat(one, f"{name}[].")
        else:
            yield name, value


@pytest.fixture
def real_loki() -> Path:
    """The folder with the real Loki; skips where nobody has given one."""
    folder = Path(os.environ.get("LGTM_BINARIES", "/nonexistent"))
    if not (folder / "loki").exists():
        pytest.skip("no real Loki: set LGTM_BINARIES to a folder with the executable `loki`")
    return folder


def test_every_key_exists() -> None:
    if not KEYS.exists():
        pytest.skip("no key list for Loki beside this repository")
    known = json.loads(KEYS.read_text())
    limits = parsed(loki(), "runtime.yaml")["overrides"]["fake"]
    used = main().keys() | {f"limits_config.{name}" for name in limits}
    assert used <= known.keys()
    assert "limits_config.max_streams" not in known  # the list tells a wrong key from a right one


def test_the_required_figures() -> None:
    limits = parsed(loki(), "runtime.yaml")["overrides"]["fake"]
    assert limits == {"ingestion_rate_mb": 10, "ingestion_burst_size_mb": 20, "max_global_streams_per_user": 10_000}
    found = main()
    assert found["limits_config.retention_period"] == found["limits_config.max_query_lookback"] == "30d"
    assert (found["compactor.retention_enabled"], found["compactor.delete_request_store"]) == (True, "filesystem")
    assert found["limits_config.reject_old_samples_max_age"] == "168h"
    assert (found["server.http_listen_port"], found["server.grpc_listen_port"]) == (3100, 9096)
    assert (found["auth_enabled"], found["analytics.reporting_enabled"]) == (False, False)
    assert found["ingester.lifecycler.min_ready_duration"] == "0s"
    assert found["pattern_ingester.enabled"] is False


def test_no_address_is_left_to_be_guessed() -> None:
    found = main(SPLIT)
    assert found["server.http_listen_address"] == "192.0.2.12"
    own = {"common.instance_addr", "common.ring.instance_addr", "server.grpc_listen_address"}
    assert {found[key] for key in own} == {"127.0.0.1"}
    assert found["frontend.scheduler_address"] == found["frontend_worker.scheduler_address"] == "127.0.0.1:9096"
    assert found["common.ring.kvstore.store"] == "inmemory"  # otherwise memberlist listens everywhere


def test_everything_is_written_below_its_volume() -> None:
    found = main()
    paths = {key: value for key, value in found.items() if str(value).startswith("/")}
    written = {value for value in paths.values() if not value.startswith("/opt/lgtm/current/etc/loki/")}
    assert all(value == "/data/loki" or value.startswith("/data/loki/") for value in written)
    assert len(written) == len(paths) - 2  # each in a place of its own; runtime.yaml and rules are read
    assert "/data/loki/schema" not in written


@pytest.mark.parametrize(
    "data", [{"loki_ingestion_rate": 1}, {"loki_ingestion_burst": 30}, {"loki_max_streams": 1_000_000}]
)
def test_a_limit_changes_the_runtime_file_only(data: dict[str, Any]) -> None:
    before, after = (loki(**values) for values in ({}, data))
    assert before.unit == after.unit
    assert [(one.path, one.on_change) for one in set(after.files) - set(before.files)] == [("runtime.yaml", "reload")]


def test_the_runtime_file_is_written_as_loki_writes_it() -> None:
    """Loki reports the sha256 of the file as it would write it; a reload is verified by comparing that."""
    text = file(loki(loki_max_streams=1_000_000), "runtime.yaml")
    assert text == yaml.safe_dump(yaml.safe_load(text), indent=4, sort_keys=True)


def test_recorded_series_go_to_mimir_with_the_environment() -> None:
    found = main(SPLIT)
    assert found["ruler.remote_write.clients.*.url"] == "http://192.0.2.13:9009/api/v1/push"
    assert found["ruler.remote_write.clients.*.write_relabel_configs[].target_label"] == "environment"
    assert found["ruler.remote_write.clients.*.write_relabel_configs[].replacement"] == "test"


def test_without_mimir_there_are_no_rules() -> None:
    assert not [key for key in main(ALONE) if key.startswith("ruler.")]
    assert not [one.path for one in loki(ALONE).files if one.path.startswith("rules/")]
    assert "loki.rules" not in checks(ALONE)


def test_rules_are_where_loki_looks_for_them() -> None:
    """Without authentication its tenant is called `fake`, and the directory of its rules likewise."""
    assert main()["ruler.storage.local.directory"] == "/opt/lgtm/current/etc/loki/rules"
    [group] = parsed(loki(), "rules/fake/logs.yml")["groups"]
    assert [rule["record"] for rule in group["rules"]] == ["logs:lines:rate5m", "logs:errors:rate5m"]


def test_the_real_loki_accepts_it(real_loki: Path, tmp_path: Path) -> None:
    for hosts in (HOSTS, SPLIT, ALONE):
        found = loki(hosts, loki_schema_periods=[{"start": "2025-01-01"}, {"start": "2099-01-01"}])
        [run, _] = validate(found, real_loki, stage(found, tmp_path))
        assert run.returncode == 0, run.stderr
        assert "config is valid" in run.stderr


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("min_ready_duration", "min_ready_durations"),
        ("delete_request_store: filesystem", "delete_batch_size: 70"),
        ('schema: "v13"', 'schema: "v12"'),
        ('schema: "v13"', 'schema: "v14"'),
        ("period: 24h", "period: 48h"),
        ('"30d"', '"30 days"'),
    ],
)
def test_the_real_loki_refuses_it_broken(real_loki: Path, tmp_path: Path, right: str, wrong: str) -> None:
    found = loki()
    etc, text = stage(found, tmp_path), file(found, "loki.yml")
    assert right in text
    (etc / "loki.yml").write_text(text.replace(right, wrong))
    assert validate(found, real_loki, etc)[0].returncode == 1


def test_a_loki_without_lines_answers_and_one_that_fails_does_not() -> None:
    judge = checks()["loki.query"].judge
    assert judge(Answer(200, '{"status": "success"}')) == "no lines yet"
    assert judge(Answer(200, '{"status": "success", "data": ["job"]}')) == "1 label names"
    for answer in (Answer(500, "too many outstanding requests"), Answer(400, '{"status": "error"}'), Answer(0, "")):
        with pytest.raises(Bad):
            judge(answer)


def test_an_ingester_that_is_not_active_is_bad() -> None:
    judge = checks()["loki.ingester"].judge
    metric = 'loki_ring_members{name="%s",state="%s"} %d\n'
    others = metric % ("compactor", "ACTIVE", 1)
    assert judge(Answer(200, others + metric % ("ingester", "ACTIVE", 1))) == "1 active ingester"
    two = metric % ("ingester", "ACTIVE", 2)
    gone = metric % ("ingester", "ACTIVE", 0) + metric % ("ingester", "LEAVING", 1)
    for answer in (Answer(200, others), Answer(200, others + gone), Answer(200, two), Answer(0, "refused")):
        with pytest.raises(Bad):
            judge(answer)


def test_limits_that_were_not_taken_are_bad() -> None:
    judge = checks()["loki.runtime"].judge
    name = "loki_runtime_config_last_reload_successful"
    assert judge(Answer(200, f'# TYPE {name} gauge\n{name}{{config="loki"}} 1\n'))
    for answer in (Answer(200, f'{name}{{config="loki"}} 0\n'), Answer(200, "other 1\n"), Answer(0, "refused")):
        with pytest.raises(Bad):
            judge(answer)


def rules_answer(names: tuple[str, ...], health: str = "ok", error: str = "") -> Answer:
    rules = [{"name": name, "health": health, "lastError": error} for name in names]
    return Answer(200, json.dumps({"status": "success", "data": {"groups": [{"name": "logs", "rules": rules}]}}))


def test_rules_that_are_missing_or_fail_are_bad() -> None:
    judge = checks()["loki.rules"].judge
    both = ("logs:lines:rate5m", "logs:errors:rate5m")
    assert judge(rules_answer(both)) == "2 rules"
    with pytest.raises(Bad, match="not loaded: logs:errors:rate5m"):
        judge(rules_answer(both[:1]))
    with pytest.raises(Bad, match="logs:lines:rate5m: no ring; logs:errors:rate5m: no ring"):
        judge(rules_answer(both, "err", "no ring"))
    with pytest.raises(Bad, match="logs:lines:rate5m: unknown"):
        judge(rules_answer(both, "unknown"))
    with pytest.raises(Bad, match="not JSON"):
        judge(Answer(404, "404 page not found"))


def test_lines_are_awaited_where_something_ships_them() -> None:
    assert "loki.lines" not in checks()
    found = checks(SHIPPED)["loki.lines"]
    assert (found.gate, found.slow) == ("peer", True)
    body = '{"status": "success", "data": {"resultType": "vector", "result": %s}}'
    assert found.judge(Answer(200, body % '[{"metric": {}, "value": [1, "7"]}]')) == "7 lines in the last 5 minutes"
    for answer in (Answer(200, body % "[]"), Answer(400, "parse error"), Answer(0, "refused")):
        with pytest.raises(Bad):
            found.judge(answer)
