"""Going back: to a generation that was good, in seconds, with nothing brought to the host."""

from __future__ import annotations

import time

import pytest
from harness import Site, active, current, metric, pids, sh

from lab.machines import Host


@pytest.fixture(scope="module")
def services() -> tuple[str, ...]:
    return "prometheus", "alertmanager", "node_exporter"


def rollback(site: Site, *flags: str, **data: object) -> object:
    pairs = [word for key, value in data.items() for word in ("--data", f"{key}={value}")]
    return site.run("rollback.py", *flags, *pairs)


@pytest.fixture
def two(converged: Site, host: Host) -> tuple[str, str]:
    """Two good generations, the second one in force."""
    converged.deployed()
    first = current(host)
    converged.deployed(prometheus_disk_free_low=0.2, node_exporter_log_level="debug")
    return first, current(host)


def test_a_host_goes_back_within_seconds_and_nothing_is_sent(converged: Site, host: Host, two: tuple[str, str]) -> None:
    first, second = two
    sent = host.sessions("subsystem 'sftp'")
    before = pids(host)
    began = time.monotonic()
    run = rollback(converged)
    took = time.monotonic() - began
    assert run.code == 0, run.text
    assert f"{second} → {first}" in run.text
    assert current(host) == first
    assert active(host) == {"prometheus": "active", "alertmanager": "active", "node_exporter": "active"}
    assert {name for name, pid in pids(host).items() if pid != before[name]} == {"node_exporter"}
    assert metric(host, 9090, "prometheus_config_last_reload_successful") == "1"
    assert host.sessions("subsystem 'sftp'") == sent
    assert took < 20, took  # three seconds where nothing else runs; see bench
    assert '"action":"rollback"' in sh(host, "tail -n 1 /opt/lgtm/log")
    assert sh(host, "cat /opt/lgtm/good") == first
    assert converged.dry().code == 0


def test_a_generation_can_be_named_and_a_dry_run_changes_nothing(
    converged: Site, host: Host, two: tuple[str, str]
) -> None:
    first, second = two
    dry = rollback(converged, "--dry", to=first)
    assert (dry.code, current(host)) == (2, second), dry.text
    assert rollback(converged, to=first).code == 0
    assert rollback(converged, to=second).code == 0
    assert current(host) == second
    again = rollback(converged, to=second)
    assert again.code == 0 and f"nothing to do: {second} is in force" in again.text


def test_what_there_is_is_listed(converged: Site, host: Host, two: tuple[str, str]) -> None:
    first, second = two
    run = rollback(converged, list="true")
    assert run.code == 0, run.text
    assert f"{second} " in run.text and "in force" in run.text and f"{first} " in run.text and "good" in run.text
    assert "prometheus 3." in run.text and "MiB in /opt/lgtm" in run.text and "committed" in run.text
    assert current(host) == second


def test_an_unknown_generation_and_a_missing_artifact_are_refused(
    converged: Site, host: Host, two: tuple[str, str]
) -> None:
    _, second = two
    run = rollback(converged, to="g000000000000")
    assert run.code == 3 and "to=g000000000000 is not a generation on this host; it has" in run.text
    sh(host, "cd /opt/lgtm/artifacts && mkdir /opt/aside && mv node_exporter-* /opt/aside")
    run = rollback(converged)
    assert run.code == 3 and "needs node_exporter-" in run.text and "missing or damaged" in run.text
    sh(host, "mv /opt/aside/* /opt/lgtm/artifacts && rmdir /opt/aside")
    assert current(host) == second


def test_a_broken_setting_does_not_stop_a_rollback(converged: Site, host: Host, two: tuple[str, str]) -> None:
    first, _ = two
    run = converged.run("rollback.py", prometheus_retention="for ever")
    assert run.code == 0, run.text
    assert current(host) == first


def test_old_generations_go_and_good_ones_stay(converged: Site, host: Host) -> None:
    made = []
    for level in ("info", "warn", "error", "debug"):
        converged.deployed(node_exporter_log_level=level, generations_kept=2)
        made.append(current(host))
    kept = sh(host, "ls /opt/lgtm/generations").split()
    assert set(kept) == set(made[-2:])
    assert sh(host, "cat /opt/lgtm/good").split()[-2:] == made[-2:]
    needed = {
        line for line in sh(host, "sed -n 's|^artifact /opt/lgtm/artifacts/||p' /opt/lgtm/current/services/*").split()
    }
    assert set(sh(host, "ls /opt/lgtm/artifacts").split()) == needed


def test_two_at_once_one_goes_and_the_other_is_told_who(converged: Site, host: Host) -> None:
    sh(host, "mkdir -p /run/lgtm/lock && echo $(($(date +%s) + 50)) anna@laptop >/run/lgtm/lock/holder")
    run = rollback(converged)
    assert run.code == 4 and "locked by anna@laptop" in run.text
    sh(host, "rm -rf /run/lgtm/lock")
