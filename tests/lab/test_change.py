"""One changed setting touches one service, in the mildest way there is."""

import pytest
from harness import Run, Site, active, current, metric, pids, sh

from lab.machines import Host

RELOADED = "prometheus_config_last_reload_success_timestamp_seconds"


def changes(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """The services whose process is another one."""
    return {service for service in before if before[service] != after[service]}


def kinds(run: Run) -> tuple[list[str], list[str]]:
    """The services that a run's plan restarts, and those that it reloads."""

    def names(kind: str) -> list[str]:
        return [line.split()[1].rstrip(":") for line in run.plan(kind)]

    return names("restart"), names("reload")


def test_a_changed_rule_reloads_prometheus_and_no_other(converged: Site, host: Host) -> None:
    processes, loaded = pids(host), metric(host, 9090, RELOADED)
    run = converged.deployed(prometheus_target_down_for="7m")
    assert kinds(run) == ([], ["prometheus"])
    assert run.plan("file")[0].startswith("file      etc/prometheus/rules/stack.yml: changed")
    assert pids(host) == processes
    assert float(metric(host, 9090, RELOADED)) > float(loaded)
    assert '"duration":420' in sh(host, "curl -s 127.0.0.1:9090/api/v1/rules")


def test_an_extra_target_is_scraped_after_a_reload(converged: Site, host: Host) -> None:
    processes = pids(host)
    extra = [{"job": "own", "targets": ["127.0.0.1:9100"], "interval": "1s"}]
    run = converged.deployed(prometheus_extra_targets=extra)
    assert kinds(run) == ([], ["prometheus"])
    assert pids(host) == processes
    query = "curl -s 127.0.0.1:9090/api/v1/query?query=up"
    assert sh(host, f"for i in $(seq 300); do {query} | grep -q '\"own\"' && echo up && break; sleep 0.1; done") == "up"


def test_an_extra_target_can_be_given_on_the_command_line(converged: Site, host: Host) -> None:
    value = '[{"job": "typed", "targets": ["127.0.0.1:9100"]}]'
    run = converged.dry("--data", f"prometheus_extra_targets={value}", "--diff")
    assert run.code == 2, run.text
    assert '+  - job_name: "typed"' in run.text


def test_a_mimir_limit_changes_the_runtime_file_and_restarts_nothing(converged: Site, host: Host) -> None:
    converged.deployed()
    processes = pids(host)
    run = converged.deployed(mimir_max_series=400_000)
    # Prometheus' rules know the limit too: they say how near to it Mimir is.
    changed = {line.split()[1] for line in run.plan("file")}
    assert changed == {"etc/mimir/runtime.yaml:", "etc/prometheus/rules/recording.yml:"}
    restarted, reloaded = kinds(run)
    assert (restarted, set(reloaded)) == ([], {"mimir", "prometheus"})
    assert pids(host) == processes
    assert "400000" in sh(host, "cat /opt/lgtm/current/etc/mimir/runtime.yaml")


def test_a_memory_limit_restarts_its_own_service_only(converged: Site, host: Host) -> None:
    converged.deployed()
    processes = pids(host)
    run = converged.deployed(alertmanager_memory_max="256M")
    assert kinds(run) == (["alertmanager"], [])
    assert changes(processes, pids(host)) == {"alertmanager"}
    assert sh(host, "systemctl show -P MemoryMax lgtm-alertmanager") == str(256 * 2**20)


def test_data_from_the_command_line_is_typed_by_the_setting(converged: Site, host: Host) -> None:
    converged.deployed("--data", "alertmanager_memory_max=300M", "--data", "mimir_max_series=123456")
    assert sh(host, "systemctl show -P MemoryMax lgtm-alertmanager") == str(300 * 2**20)
    assert "123456" in sh(host, "cat /opt/lgtm/current/etc/mimir/runtime.yaml")


def test_a_service_that_left_the_inventory_is_stopped_when_it_is_named(converged: Site, host: Host) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(converged.hosts, host, tuple(s for s in converged.hosts[host] if s != "redis_exporter"))
        assert converged.deploy().code == 3
        run = converged.deployed("--data", "remove=redis_exporter")
    assert run.plan("stop") == ["stop      lgtm-redis_exporter.service: its data stays"]
    assert sh(host, "systemctl is-active lgtm-redis_exporter || true") == "inactive"
    assert sh(host, "ls /etc/systemd/system | grep -c redis || true") == "0"
    converged.deployed()
    assert active(host)["redis_exporter"] == "active"


def test_a_rejected_reload_goes_back_and_says_why(converged: Site, host: Host) -> None:
    """Staged by hand: what the templates can say, promtool refuses before anything is switched."""
    converged.deployed()
    before, processes = current(host), pids(host)
    said = sh(host, """cd /opt/lgtm/generations; cp -r "$(basename $(readlink ../current))" gbroken
        sed -i 's/job_name: .alertmanager.$/job_name: mimir/' gbroken/etc/prometheus/prometheus.yml
        A=/usr/local/lib/lgtm/activate.sh
        $A arm gbroken 60 tester && $A flip gbroken 2>&1; echo exit=$?""")  # fmt: skip
    assert said.endswith("exit=1"), said
    assert "prometheus did not load its new configuration" in said
    assert "found multiple scrape configs with job name" in said  # Prometheus' own words
    assert f"reverted to {before}" in said
    assert current(host) == before
    assert pids(host) == processes
    assert metric(host, 9090, "prometheus_config_last_reload_successful") == "1"
    sh(host, "rm -r /opt/lgtm/generations/gbroken")
    assert converged.dry().code == 0


def test_a_configuration_that_its_program_refuses_is_never_switched_to(converged: Site, host: Host) -> None:
    converged.deployed()
    before, processes = current(host), pids(host)
    run = converged.deploy(prometheus_extra_targets=[{"job": "own", "targets": ["http://127.0.0.1:9100/x"]}])
    assert run.code == 1, run.text
    assert "promtool rejects the new configuration; nothing was switched" in run.text
    assert "is not a valid hostname" in run.text
    assert current(host) == before
    assert pids(host) == processes
    assert sh(host, "test -e /run/lgtm/lock || echo free") == "free"
    assert converged.dry().code == 0
