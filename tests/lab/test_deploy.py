"""A deploy, and the deploy after it."""

import pytest
from harness import SERVICES, Site, active, current, pids, secret_values, sh, written

from lab.machines import Host


def test_a_dry_run_on_a_bare_host_shows_every_file_and_writes_none(site: Site, host: Host) -> None:
    before = written(host)
    run = site.dry("--diff")
    assert run.code == 2, run.text
    for path in ("etc/prometheus/prometheus.yml", "etc/prometheus/rules/stack.yml", "etc/mimir/mimir.yml",
                 "etc/mimir/runtime.yaml", "etc/alertmanager/alertmanager.yml"):  # fmt: skip
        assert f"+++ {path}" in run.text
    for service in SERVICES:
        assert f"+++ units/lgtm-{service}.service" in run.text
    assert "+  - job_name" in run.text
    assert not any(secret in run.text for secret in secret_values())
    assert written(host) == before
    assert sh(host, "getent passwd | grep lgtm- || echo none") == "none"


def test_after_a_deploy_every_service_is_active(converged: Site, host: Host) -> None:
    assert active(host) == dict.fromkeys(SERVICES, "active")
    assert sh(host, "ls /opt/lgtm") == "artifacts\ncurrent\ngenerations\ngood\nlog\nmetrics"
    assert sh(host, "test -e /run/lgtm/lock || echo free") == "free"


def test_every_unit_is_rated_safe_by_systemd(converged: Site, host: Host) -> None:
    for service in SERVICES:
        said = sh(host, f"systemd-analyze security --no-pager lgtm-{service}.service | tail -n 1")
        assert float(said.split(": ")[1].split()[0]) <= 2.0, said


def test_a_second_deploy_changes_nothing_in_at_most_two_commands(converged: Site, host: Host) -> None:
    files, processes, sessions = written(host), pids(host), host.sessions("command")
    run = converged.deploy("--diff")
    assert run.code == 0
    assert "nothing to do" in run.text
    assert host.sessions("command") - sessions <= 2
    assert pids(host) == processes
    assert written(host) == files


def test_a_dry_run_on_a_converged_host_finds_nothing_to_do(converged: Site, host: Host) -> None:
    run = converged.dry("--diff")
    assert run.code == 0, run.text
    assert f"nothing to do: {current(host)} is in force" in run.text
    assert "+++" not in run.text


def test_verify_finds_every_sample_in_mimir(converged: Site) -> None:
    run = converged.run("verify.py", "--data", "patience=60")
    assert run.code == 0, run.text
    assert "0 failed" in run.text
    assert "STAND-IN" in run.text


def test_no_secret_is_shown_even_by_the_most_talkative_run(converged: Site, host: Host) -> None:
    sh(host, "rm -r /etc/lgtm/secrets")
    flags = ("-vvv", "--diff", "--debug")
    shown = [converged.dry(*flags).text, converged.deployed(*flags, alertmanager_group_wait="25s").text]
    assert sh(host, "ls /etc/lgtm/secrets/*") != ""
    for secret in secret_values():
        assert not any(secret in text for text in shown)


def test_root_can_deploy_too(converged: Site, host: Host) -> None:
    run = converged.deploy(ssh_user="root", _sudo=False, alertmanager_group_wait="20s")
    assert run.code == 0, run.text
    assert 'group_wait: "20s"' in sh(host, "cat /opt/lgtm/current/etc/alertmanager/alertmanager.yml")
    converged.deployed()


@pytest.mark.parametrize("key", ["patience", "message"])
def test_what_belongs_to_a_run_changes_no_host(converged: Site, key: str) -> None:
    run = converged.deploy("--data", f"{key}=7")
    assert run.code == 0
    assert "nothing to do" in run.text
