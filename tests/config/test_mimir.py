"""Mimir's rendered configuration: valid for three versions, and limits that change without a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sites import ROOT, SPLIT, component, file, make_site, parsed, stage, validate

from lgtm.load.plugins import tasks
from lgtm.model.checks import Answer, Bad, Check

KEYS = ROOT.parent / "shared" / "reference" / "config-keys"
PATHS = {
    "activity_tracker.filepath",
    "blocks_storage.bucket_store.sync_dir",
    "blocks_storage.tsdb.dir",
    "common.storage.filesystem.dir",
    "compactor.data_dir",
    "ruler.rule_path",
    "ruler_storage.filesystem.dir",
}


def main(**data: Any) -> dict[str, Any]:
    return dict(flat(parsed(component(make_site(**data), "mimir"), "mimir.yml")))


def flat(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """`{"a": {"b": 1}}` → `("a.b", 1)`."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def check(name: str) -> Check:
    site = make_site()
    found = tasks()["mimir"].checks(site.here.services["mimir"], site)
    return next(one for one in found if one.id == name)


def known(version: str) -> dict[str, str]:
    path = KEYS / f"mimir-{version}.json"
    if not path.exists():
        pytest.skip(f"no key list for Mimir {version} beside this repository")
    keys: dict[str, str] = json.loads(path.read_text())
    return keys


@pytest.mark.parametrize("version", ["2.11.0", "2.17.0", "3.0.2"])
def test_every_key_exists_in_every_version(version: str) -> None:
    keys = known(version)
    limits = parsed(component(make_site(), "mimir"), "runtime.yaml")["overrides"]["anonymous"]
    used = main().keys() | {f"limits.{name}" for name in limits}
    assert used <= keys.keys()
    assert "limits.max_series" not in keys  # the list tells a wrong key from a right one


def test_the_required_figures() -> None:
    site = make_site()
    limits = parsed(component(site, "mimir"), "runtime.yaml")["overrides"]["anonymous"]
    assert (limits["max_global_series_per_user"], limits["ingestion_rate"]) == (500_000, 50_000)
    found = main()
    assert found["limits.compactor_blocks_retention_period"] == "30d"
    assert (found["server.http_listen_port"], found["server.grpc_listen_port"]) == (9009, 9095)
    assert found["multitenancy_enabled"] is False
    assert found["usage_stats.enabled"] is False


def test_one_node_is_one_replica_and_is_ready_at_once() -> None:
    found = main()
    assert found["ingester.ring.replication_factor"] == found["store_gateway.sharding_ring.replication_factor"] == 1
    assert found["ingester.ring.min_ready_duration"] == "0s"


def test_no_address_is_left_to_be_guessed() -> None:
    found = main()
    for ring in ("distributor.ring", "ingester.ring", "store_gateway.sharding_ring", "query_scheduler.ring",
                 "compactor.sharding_ring", "ruler.ring"):  # fmt: skip
        assert found[f"{ring}.instance_addr"] == "127.0.0.1", ring
    assert found["frontend.address"] == "127.0.0.1"
    assert found["memberlist.bind_addr"] == ["127.0.0.1"]


def test_only_what_peers_use_leaves_the_host() -> None:
    ports = {port.name: port.address for port in component(make_site(SPLIT), "mimir").ports}
    assert ports == {"http": "192.0.2.12", "grpc": "127.0.0.1", "memberlist": "127.0.0.1"}


def test_no_path_is_a_prefix_of_another() -> None:
    found = main()
    paths = {key: found[key] for key in PATHS}
    assert {key for key, value in found.items() if str(value).startswith("/data")} == PATHS
    for one in paths.values():
        assert one.startswith("/data/mimir/")
        assert [other for other in paths.values() if other.startswith(one)] == [one]


@pytest.mark.parametrize(
    "data",
    [
        {"mimir_max_series": 1_000_000},
        {"mimir_ingestion_rate": 1000},
        {"mimir_ingestion_burst": 1000},
        {"mimir_out_of_order_window": "1h"},
        {"mimir_max_exemplars": 0},
    ],
)
def test_a_limit_changes_the_runtime_file_only(data: dict[str, Any]) -> None:
    before, after = (component(make_site(**values), "mimir") for values in ({}, data))
    assert before.unit == after.unit
    changed = set(after.files) - set(before.files)
    assert [(one.path, one.on_change) for one in changed] == [("runtime.yaml", "reload")]


def test_the_runtime_file_changes_only_when_its_meaning_does() -> None:
    assert "#" not in file(component(make_site(), "mimir"), "runtime.yaml")


def test_the_real_mimir_accepts_it(real_mimir: Path, tmp_path: Path) -> None:
    found = component(make_site(), "mimir")
    [run] = validate(found, real_mimir, stage(found, tmp_path))
    assert run.returncode == 0, run.stderr
    assert "ingester" in run.stdout


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("min_ready_duration", "min_ready_durations"),
        ("storage_prefix: blocks", "storage_prefix: my-blocks"),
        ('/data/mimir/sync"', '/data/mimir/tsdb-sync/blocks"'),
        ('"30d"', '"30 days"'),
    ],
)
def test_the_real_mimir_refuses_it_broken(real_mimir: Path, tmp_path: Path, right: str, wrong: str) -> None:
    found = component(make_site(), "mimir")
    etc = stage(found, tmp_path)
    text = file(found, "mimir.yml")
    assert right in text
    (etc / "mimir.yml").write_text(text.replace(right, wrong))
    assert validate(found, real_mimir, etc)[0].returncode == 1


def test_limits_that_were_not_taken_are_bad() -> None:
    name = "cortex_runtime_config_last_reload_successful"
    judge = check("mimir.runtime").judge
    assert judge(Answer(200, f"# TYPE {name} gauge\n{name} 1\n"))
    for answer in (Answer(200, f"{name} 0\n"), Answer(200, "other 1\n"), Answer(0, "refused")):
        with pytest.raises(Bad):
            judge(answer)


def test_a_query_that_fails_is_bad() -> None:
    judge = check("mimir.query").judge
    assert judge(Answer(200, '{"status": "success", "data": ["job"]}')) == "1 label names"
    for answer in (Answer(500, '{"status": "error", "error": "no"}'), Answer(404, "404 page not found")):
        with pytest.raises(Bad):
            judge(answer)


def test_the_runtime_file_is_written_as_mimir_writes_it() -> None:
    """Mimir reports the sha256 of the file as it would write it; a reload is verified by comparing that."""
    text = file(component(make_site(), "mimir"), "runtime.yaml")
    assert text == yaml.safe_dump(yaml.safe_load(text), indent=4, sort_keys=True)
