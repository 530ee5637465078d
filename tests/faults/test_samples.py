"""Data survives: every sample that Prometheus scraped is in Mimir exactly once, whatever was switched meanwhile."""

from __future__ import annotations

import json
import time
from urllib.parse import quote

import pytest
from harness import Run, Site, current, sh

from lab.machines import Host


@pytest.fixture(scope="module")
def services() -> tuple[str, ...]:
    return "prometheus", "mimir", "node_exporter"


def samples(host: Host, port: int, path: str, minutes: int) -> dict[str, list[float]]:
    """job → times of the raw samples of `up` in the last minutes."""
    query = quote(f"up[{minutes}m]", safe="")
    found = json.loads(sh(host, f"curl -s '127.0.0.1:{port}{path}/api/v1/query?query={query}'"))
    return {one["metric"]["job"]: [at for at, _ in one["values"]] for one in found["data"]["result"]}


def settled(host: Host) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """What both have of the past, leaving out the last seconds, which may be on their way."""
    end = time.time() - 1
    time.sleep(12)
    both = (samples(host, 9090, "", 15), samples(host, 9009, "/prometheus", 15))
    scraped, stored = ({job: [at for at in times if at < end] for job, times in one.items()} for one in both)
    return scraped, stored


def test_no_sample_is_lost_or_doubled_by_an_upgrade_a_revert_and_a_rollback(converged: Site, host: Host) -> None:
    first = current(host)
    time.sleep(20)
    upgraded = converged.deploy(prometheus_log_level="warn", mimir_log_level="warn")
    assert upgraded.code == 0, upgraded.text
    time.sleep(20)
    reverted = converged.deploy(prometheus_log_level="loud", mimir_log_level="info")
    assert reverted.code == 1, reverted.text
    time.sleep(20)
    rolled: Run = converged.run("rollback.py")
    assert rolled.code == 0 and current(host) == first, rolled.text
    time.sleep(20)
    scraped, stored = settled(host)
    assert scraped.keys() == stored.keys() >= {"prometheus", "mimir", "node_exporter"}
    assert sum(len(times) for times in scraped.values()) > 12
    for job, times in scraped.items():
        assert len(set(stored[job])) == len(stored[job]), f"{job}: doubled"
        missing = sorted(set(times) - set(stored[job]))
        assert not missing, f"{job}: {len(missing)} of {len(times)} samples are not in Mimir: {missing}"
