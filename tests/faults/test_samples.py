"""Data survives: every sample is in Mimir exactly once, every line and span is still there, whatever was switched."""

from __future__ import annotations

import json
import time
from urllib.parse import quote

import pytest
from harness import Run, Site, current, sh
from stack import Canary, eventually

from lab.machines import Host

LOUD = {"prometheus_log_level": "warn", "mimir_log_level": "warn", "loki_log_level": "warn", "tempo_log_level": "warn"}


@pytest.fixture(scope="module")
def site(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Site:
    services = ("prometheus", "mimir", "loki", "tempo", "node_exporter")
    return Site(tmp_path_factory.mktemp("site"), {host: services}, {"loki_exposed": True, "tempo_exposed": True})


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


def lost(scraped: dict[str, list[float]], stored: dict[str, list[float]]) -> bool:
    """Whether Mimir lacks something: on a busy machine a sample may be on its way for longer."""
    return any(set(times) - set(stored.get(job, ())) for job, times in scraped.items())


def read_back(host: Host, canary: Canary) -> bool:
    """Whether a canary's line and its span can be read, of Loki and of Tempo themselves."""
    query = quote(f'{{service="{canary.name}"}}', safe="")
    lines = sh(host, f"curl -s '{host.address}:3100/loki/api/v1/query_range?since=1h&query={query}'")
    trace = sh(host, f"curl -s {host.address}:3200/api/traces/{canary.trace_id}")
    return canary.trace_id in lines and canary.name in trace


def sung(host: Host) -> Canary:
    """A canary of now, written to all three stores."""
    canary = Canary()
    canary.write(host)
    return canary


def test_nothing_is_lost_or_doubled_by_an_upgrade_a_revert_and_a_rollback(converged: Site, host: Host) -> None:
    first = current(host)
    canaries = [sung(host)]
    time.sleep(20)
    upgraded = converged.deploy(**LOUD)
    assert upgraded.code == 0, upgraded.text
    canaries.append(sung(host))
    time.sleep(20)
    quiet = {name: "error" for name in LOUD}
    reverted = converged.deploy(**quiet | {"prometheus_log_level": "loud"})
    assert reverted.code == 1, reverted.text
    canaries.append(sung(host))
    time.sleep(20)
    rolled: Run = converged.run("rollback.py")
    assert rolled.code == 0 and current(host) == first, rolled.text
    time.sleep(20)
    for canary in canaries:
        eventually(lambda canary=canary: read_back(host, canary), 60, f"the line and the span of {canary.name}")
    for _ in range(5):
        scraped, stored = settled(host)
        if not lost(scraped, stored):
            break
    assert scraped.keys() == stored.keys() >= {"prometheus", "mimir", "node_exporter"}
    assert sum(len(times) for times in scraped.values()) > 12
    for job, times in scraped.items():
        assert len(set(stored[job])) == len(stored[job]), f"{job}: doubled"
        missing = sorted(set(times) - set(stored[job]))
        assert not missing, f"{job}: {len(missing)} of {len(times)} samples are not in Mimir: {missing}"
