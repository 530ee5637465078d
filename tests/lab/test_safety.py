"""Whatever goes wrong, a host ends on a generation that works, and by itself."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness import Site, active, current, pids, sh

from lab.machines import Host

ACTIVATE = "/usr/local/lib/lgtm/activate.sh"


@pytest.fixture(scope="module")
def services() -> tuple[str, ...]:
    return "prometheus", "node_exporter"


@pytest.fixture(scope="module")
def host(bare: tuple[Host, ...]) -> Host:
    return bare[1]


def generation_with(site: Site, **data: object) -> str:
    """Deploy something else and come back, so that its generation lies on the host; its name."""
    [host] = site.hosts
    site.deployed(**data)
    name = current(host)
    site.deployed()
    return name


def test_a_first_deploy_that_fails_leaves_nothing_running(site: Site, host: Host) -> None:
    run = site.deploy(prometheus_log_level="loud")
    assert run.code == 1, run.text
    assert re.search("prometheus (keeps restarting|did not start):", run.text), run.text  # by chance
    assert re.search(r"status=2/INVALIDARGUMENT|One of: \[debug, info, warn", run.text), run.text  # from its journal
    assert "the services are stopped again" in run.text
    assert current(host) == ""
    assert sh(host, "systemctl list-units --no-legend --state=active 'lgtm-*.service'") == ""
    assert sh(host, "test -e /run/lgtm/lock || echo free") == "free"


def test_a_good_deploy_after_a_failed_first_one_works(site: Site, host: Host) -> None:
    site.deployed()
    assert active(host) == {"prometheus": "active", "node_exporter": "active"}
    assert site.dry().code == 0


def test_a_service_that_does_not_become_ready_goes_back(converged: Site, host: Host) -> None:
    before = current(host)
    run = converged.deploy(prometheus_log_level="loud", node_exporter_log_level="debug")
    assert run.code == 1, run.text
    assert re.search(r"status=2/INVALIDARGUMENT|One of: \[debug, info, warn", run.text), run.text  # from its journal
    assert f"reverted to {before}" in run.text
    assert current(host) == before
    assert active(host) == {"prometheus": "active", "node_exporter": "active"}
    assert converged.dry().code == 0


def test_nobody_commits_and_the_host_goes_back_by_itself(converged: Site, host: Host) -> None:
    converged.deployed()
    before, other = current(host), generation_with(converged, node_exporter_log_level="debug")
    sh(host, f"{ACTIVATE} arm {other} 40 tester && {ACTIVATE} flip {other}")
    assert current(host) == other
    refused = converged.deploy(node_exporter_log_level="warn")
    assert refused.code == 3, refused.text
    assert "is under way; it commits or goes back" in refused.text
    until = time.monotonic() + 120
    while (
        sh(host, "test -e /opt/lgtm/pending -o -e /opt/lgtm/reverting && echo yes || true") and time.monotonic() < until
    ):
        time.sleep(0.1)
    assert current(host) == before
    assert "nobody committed within 40 s" in sh(host, "tail -n 1 /opt/lgtm/log")
    late = sh(host, f"{ACTIVATE} commit 2>&1 || echo exit=$?")
    assert late.startswith("too late: this host has already reverted")
    assert late.endswith("exit=1")
    assert active(host) == {"prometheus": "active", "node_exporter": "active"}
    assert converged.dry().code == 0


def test_a_controller_killed_after_the_switch_leaves_an_armed_timer(converged: Site, host: Host) -> None:
    converged.deployed()
    before = current(host)
    inventory = converged.folder / "lab.py"
    inventory.write_text(converged._inventory({"node_exporter_log_level": "debug"}))
    command = [str(Path(sys.executable).parent / "pyinfra"), "-y", str(inventory), "deploy.py"]
    with subprocess.Popen(command, cwd=converged.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as controller:  # fmt: skip
        while sh(host, "systemctl is-active lgtm-revert.timer || true") != "active" and controller.poll() is None:
            pass
        controller.send_signal(signal.SIGKILL)
    assert sh(host, "systemctl is-active lgtm-revert.timer") == "active"
    sh(host, f"while systemctl -q is-active lgtm-activate; do sleep 0.1; done; {ACTIVATE} revert 'the timer ran out'")
    assert current(host) == before
    assert converged.dry().code == 0


def test_a_reboot_before_the_commit_goes_back(converged: Site, host: Host) -> None:
    before, other = current(host), generation_with(converged, node_exporter_log_level="debug")
    sh(host, f"{ACTIVATE} arm {other} 600 tester && {ACTIVATE} flip {other}")
    host.reboot()
    ready = "systemctl -q is-active lgtm.target && curl -sf 127.0.0.1:9090/-/ready"
    sh(host, f"for i in $(seq 600); do {ready} && break; sleep 0.1; done; true")
    assert current(host) == before
    assert "rebooted before the switch was committed" in sh(host, "tail -n 1 /opt/lgtm/log")
    assert active(host) == {"prometheus": "active", "node_exporter": "active"}
    assert converged.dry().code == 0


def test_a_reboot_starts_what_was_deployed(converged: Site, host: Host) -> None:
    before = pids(host)
    assert before["prometheus"] != "0"
    assert sh(host, "systemctl is-active lgtm.target") == "active"


def test_a_held_lock_stops_the_run_and_names_its_holder(converged: Site, host: Host) -> None:
    sh(host, "mkdir -p /run/lgtm/lock && echo $(($(date +%s) + 60)) anna@laptop for a test >/run/lgtm/lock/holder")
    before = current(host)
    run = converged.deploy(node_exporter_log_level="debug")
    assert run.code == 4, run.text
    assert f"[{host.name}] locked by anna@laptop for a test" in run.text
    assert current(host) == before
    assert "anna@laptop" in sh(host, "cat /run/lgtm/lock/holder")


def test_an_expired_lock_is_taken_over(converged: Site, host: Host) -> None:
    sh(host, "mkdir -p /run/lgtm/lock && echo 1 anna@laptop >/run/lgtm/lock/holder")
    converged.deployed(node_exporter_log_level="debug")
    assert sh(host, "test -e /run/lgtm/lock || echo free") == "free"
