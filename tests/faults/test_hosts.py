"""What breaks on the host while it switches: it ends wholly on the old generation, and the operator is told why."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import pytest
from faults import FULL, deploying, heals, killed_at, last_words, switching, until, whole
from harness import Site, current, sh

from lab.machines import Host

FULL_ONLY = pytest.mark.skipif(not FULL, reason="waits for a whole window; make faults")
GENERATIONS = "/opt/lgtm/generations"
# For as long as a switch is under way, node_exporter starts as something else.
INSTEAD = """
folder=/run/systemd/system/lgtm-node_exporter.service.d
command=$(sed -n 's/^ExecStart=//p' /opt/lgtm/current/units/lgtm-node_exporter.service)
mkdir -p $folder
cat >$folder/mute.conf <<EOF
[Service]
ExecStart=
ExecStart=/bin/sh -c 'if [ -e /opt/lgtm/pending ]; then WHAT; fi; exec $command'
EOF
"""
MUTE = INSTEAD.replace("WHAT", "exec sleep 600")  # it answers nothing
UNMUTE = "rm -r /run/systemd/system/lgtm-node_exporter.service.d && systemctl daemon-reload"
CHANGE = {"node_exporter_log_level": "debug"}


@pytest.fixture(scope="module")
def services() -> tuple[str, ...]:
    return "prometheus", "node_exporter"


@pytest.fixture
def old(converged: Site, host: Host) -> str:
    """The generation that the host is on before, with everything well."""
    run = converged.deploy("--data", "unlock=true")
    assert run.code == 0, run.text
    whole(host)
    return current(host)


def back(host: Host, old: str) -> None:
    assert until(lambda: not switching(host), 60)
    assert current(host) == old
    whole(host)
    assert sh(host, "test -e /run/lgtm/lock || echo free") == "free"


def test_a_reboot_within_the_window(converged: Site, host: Host, old: str) -> None:
    assert killed_at(converged, "Verify", **CHANGE)
    assert current(host) != old
    host.reboot()
    ready = "curl -sf 127.0.0.1:9090/-/ready && curl -sf 127.0.0.1:9100/"
    sh(host, f"for i in $(seq 300); do {ready} >/dev/null && break; sleep 0.2; done; true")
    back(host, old)
    assert "the host was rebooted before the switch was committed" in sh(host, "tail -n 1 /opt/lgtm/log")
    heals(converged, host, old, **CHANGE)


def test_a_binary_that_exits_at_once(converged: Site, host: Host, old: str) -> None:
    run = converged.deploy(node_exporter_log_level="loud")
    assert run.code == 1, run.text
    said = last_words(run.text, "node_exporter")
    assert "level" in said[0] and "loud" in said[0] and "Main process exited, code=exited" in said[1], run.text
    assert "full journal: journalctl -u lgtm-node_exporter --since=@" in said[2], run.text
    assert f"reverted to {old} (activation failed)" in run.text
    back(host, old)


DEATHS = {
    "echo level=error msg=first; echo panic: not permitted; seq -f goroutine_%%g 60; exit 2": (
        "panic: not permitted", "systemd: Main process exited, code=exited, status=2/",
    ),
    "echo level=info msg=hello; kill -SYS \\$\\$\\$\\$": (
        "systemd: Main process exited, code=killed, status=31/SYS (a system call that the unit forbids",
        "full journal: ",
    ),
    "exec /opt/lgtm/current/manifest.json": (
        "Permission denied", "systemd: Main process exited, code=exited, status=126/",
    ),
}  # fmt: skip


@pytest.mark.parametrize("death", DEATHS)
def test_what_a_failing_start_says_begins_with_its_cause(converged: Site, host: Host, old: str, death: str) -> None:
    sh(host, INSTEAD.replace("WHAT", death))
    try:
        run = converged.deploy(**CHANGE)
    finally:
        sh(host, UNMUTE)
    said = last_words(run.text, "node_exporter")
    assert run.code == 1 and len(said) > 2, run.text
    for words, line in zip(DEATHS[death], said, strict=False):
        assert words in line, run.text
    back(host, old)


# It dies at its first start only; journald reads what it wrote when the second one is there.
SHORT_LIVED = """
cat >/run/systemd/system/lgtm-brief.service <<EOF
[Service]
ExecStart=/bin/sh -c "mkdir /run/brief || exec sleep 600; echo panic: not permitted; exit 2"
Restart=always
EOF
. /usr/local/lib/lgtm/services.sh
journald=$(systemctl show systemd-journald.service --property=MainPID --value)
systemctl daemon-reload
kill -STOP $journald
systemctl start --no-block lgtm-brief.service
until [ "$(property brief NRestarts)" = 1 ] && systemctl is-active --quiet lgtm-brief.service; do sleep 0.1; done
kill -CONT $journald
why brief "@$began"
"""
UNIT_GONE = """
systemctl stop lgtm-brief.service
rm -r /run/systemd/system/lgtm-brief.service /run/brief
systemctl daemon-reload
"""


def test_what_a_start_says_is_found_when_the_journal_is_late(converged: Site, host: Host, old: str) -> None:
    try:
        said = sh(host, SHORT_LIVED).splitlines()
    finally:
        sh(host, UNIT_GONE)
    assert "panic: not permitted" in said, said


def test_a_service_that_never_becomes_ready(converged: Site, host: Host, old: str) -> None:
    sh(host, MUTE)
    try:
        run = converged.deploy(node_exporter_ready_timeout=3, **CHANGE)
    finally:
        sh(host, UNMUTE)
    assert run.code == 1, run.text
    assert re.search(r"node_exporter was not ready within 3 s, .*http://127.0.0.1:9100/", run.text), run.text
    assert f"reverted to {old}" in run.text
    back(host, old)


def test_a_configuration_that_passes_its_validator_and_fails_at_run_time(converged: Site, host: Host, old: str) -> None:
    run = converged.deploy(prometheus_retention_size="1", prometheus_http_port=22022, prometheus_exposed=True,
                           private_address="198.18.0.99")  # fmt: skip
    assert run.code == 1, run.text
    assert "cannot assign requested address" in last_words(run.text, "prometheus")[0], run.text
    back(host, old)


def test_a_disk_that_is_full_while_staging(converged: Site, host: Host, old: str) -> None:
    sh(host, f"cp -a {GENERATIONS} /opt/keep && mount -t tmpfs -o size=8M,mode=755 tmpfs {GENERATIONS}")
    almost_all = "$(($(df --output=avail -B1 . | tail -n 1) - 16384))"
    try:
        sh(host, f"cd {GENERATIONS} && cp -a /opt/keep/. . && head -c {almost_all} /dev/zero >filler")
        run = converged.deploy(prometheus_disk_free_low=0.31)
        assert run.code == 1, run.text
        assert "No space left on device" in run.text
        assert current(host) == old
    finally:
        sh(host, f"umount {GENERATIONS} && rm -rf /opt/keep")
    back(host, old)
    heals(converged, host, old, **CHANGE)


@pytest.mark.parametrize(
    ("plant", "mend", "code", "said"),
    [
        ("mv /data/prometheus /data/aside && ln -s /data/aside /data/prometheus",
         "rm /data/prometheus && mv /data/aside /data/prometheus", 3,
         "/data/prometheus is a symbolic link, not a directory; move it away"),
        ("mkdir /opt/lgtm/current.new", "rm -rf /opt/lgtm/current.new", 0, ""),
        ("mkdir -p /opt/lgtm/generations/forward.part && ln -s /etc /opt/lgtm/generations/g.part",
         "rm -rf /opt/lgtm/generations/*.part", 0, ""),
        ("rm /opt/lgtm/current && ln -s generations/g0 /opt/lgtm/current", "true", 0, ""),
        ("rm /opt/lgtm/current && cp -a /opt/lgtm/generations/$(cat /opt/lgtm/good | tail -n 1) /opt/lgtm/current",
         "rm -rf /opt/lgtm/current && ln -s generations/$(tail -n 1 /opt/lgtm/good) /opt/lgtm/current", 3,
         "/opt/lgtm/current is a directory, not a link; move it away"),
    ],
    ids=["a link for data", "a folder for the next link", "leftovers", "a link to nothing", "a folder for current"],
)  # fmt: skip
def test_something_planted_where_a_managed_path_should_be(
    converged: Site, host: Host, old: str, plant: str, mend: str, code: int, said: str
) -> None:
    sh(host, plant)
    try:
        run = converged.deploy(**CHANGE)
        assert run.code == code, run.text
        assert said in run.text
        assert sh(host, "ls -d /etc/passwd") == "/etc/passwd"
    finally:
        sh(host, mend)
    run = converged.deploy()
    assert run.code == 0, run.text
    whole(host)


@FULL_ONLY
def test_the_network_is_cut_within_the_window(converged: Site, host: Host, old: str) -> None:
    with deploying(converged, **CHANGE) as controller:
        assert controller.stdout
        for line in controller.stdout:
            if "Starting operation: Verify" in line:
                sh(host, "ip link set host0 down")
                break
        assert until(lambda: not switching(host), 300)
        assert current(host) == old
        sh(host, "networkctl up host0 || ip link set host0 up")
        said = controller.stdout.read()
        assert controller.wait(700) == 1, said
    back(host, old)
    assert "nobody committed within" in sh(host, "tail -n 1 /opt/lgtm/log")


def test_what_was_ill_before_is_told_and_does_not_stop_a_deploy(converged: Site, host: Host, old: str) -> None:
    sh(host, "pkill -STOP -x node_exporter")
    try:
        run = converged.deploy(prometheus_log_level="warn")
        assert run.code == 0, run.text
        assert re.search(r"! lab\d +node_exporter is ready: .*ignored: it failed before", run.text), run.text
        assert current(host) != old
    finally:
        sh(host, "pkill -CONT -x node_exporter")


def test_what_becomes_ill_by_a_deploy_takes_it_back(converged: Site, host: Host, old: str) -> None:
    muting = (
        "until [ -e /opt/lgtm/pending ]; do sleep 0.02; done; pkill -STOP -x node_exporter; "
        "while [ -e /opt/lgtm/pending ]; do sleep 0.05; done; pkill -CONT -x node_exporter"
    )
    sh(host, f"systemd-run --quiet --collect sh -c '{muting}'")
    run = converged.deploy(prometheus_log_level="error", node_exporter_ready_timeout=5)
    assert run.code == 1, run.text
    assert "reverted to the previous generation: node_exporter is ready: " in run.text, run.text
    back(host, old)


@contextlib.contextmanager
def before_the_lock(site: Site, host: Host, change: str, **data: object) -> Iterator[str]:
    """What a deploy says whose host is changed after its plan was made, and before it has the lock."""
    sh(host, "systemd-run --quiet --collect --unit=holds flock /run/lgtm/mutex sleep 200")
    try:
        with deploying(site, **data) as controller:
            assert until(lambda: bool(sh(host, "pgrep -x -f 'flock 9' || true")), 60)
            sh(host, change)
            sh(host, "systemctl stop holds")
            said, _ = controller.communicate(timeout=240)
            yield f"{said}exit={controller.returncode}"
    finally:
        sh(host, "systemctl stop holds 2>/dev/null || true")


def test_a_change_since_the_plan_that_makes_no_difference_stops_nothing(converged: Site, host: Host, old: str) -> None:
    with before_the_lock(converged, host, "chmod 600 /opt/lgtm/current/manifest.json", **CHANGE) as said:
        assert "changed since the plan was made; the new plan has the same steps" in said and "exit=0" in said, said
    assert current(host) != old
    whole(host)


def test_a_change_since_the_plan_that_makes_a_difference_is_told_and_nothing_is_written(
    converged: Site, host: Host, old: str
) -> None:
    with before_the_lock(converged, host, "chown root /data/prometheus", **CHANGE) as said:
        assert "so has the plan; nothing was written, run again" in said and "exit=1" in said, said
        assert "also needed: volume /data/prometheus" in said, said
    assert current(host) == old and sh(host, "stat -c %U /data/prometheus") == "root"
    assert sh(host, "test -e /run/lgtm/lock || echo free") == "free"


def test_a_service_that_crashes_again_and_again_is_mended(converged: Site, host: Host, old: str) -> None:
    """Its state is never the same twice: that is no change that somebody made since the plan."""
    sh(host, "chown -R root:root /data/prometheus; systemctl kill -s KILL lgtm-prometheus; sleep 3")
    run = converged.deploy()
    assert run.code == 0 and "owner root:root" in run.text, run.text
    whole(host)
    assert current(host) == old
