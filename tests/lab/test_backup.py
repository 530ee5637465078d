"""Copies of what nobody else has: made, put back, and refused where they are no good."""

from __future__ import annotations

import json

import pytest
from harness import Run, Site, sh

from lab.machines import Host


@pytest.fixture(scope="module")
def services() -> tuple[str, ...]:
    return "alertmanager", "node_exporter"


SILENCE = {
    "matchers": [{"name": "alertname", "value": "Quiet", "isRegex": False}], "startsAt": "2026-01-01T00:00:00Z",
    "endsAt": "2099-01-01T00:00:00Z", "createdBy": "anna", "comment": "while we build",
}  # fmt: skip
COPIES = "/data/backup/alertmanager"
API = "http://127.0.0.1:9093/api/v2"


def run(site: Site, script: str, **data: object) -> Run:
    return site.run(script, *(word for key, value in data.items() for word in ("--data", f"{key}={value}")))


def silences(host: Host) -> list[str]:
    found = json.loads(sh(host, f"curl -s {API}/silences"))
    return [one["comment"] for one in found if one["status"]["state"] == "active"]


def test_a_silence_comes_back_from_its_copy(converged: Site, host: Host) -> None:
    sh(host, f"curl -s -H 'Content-Type: application/json' {API}/silences -d '{json.dumps(SILENCE)}'")
    made = run(converged, "backup.py")
    assert made.code == 0 and "alertmanager: /data/backup/alertmanager/2" in made.text, made.text
    assert sh(host, "stat -c '%a %U' /data/backup/alertmanager/2*.tar") == "600 root"
    [one] = json.loads(sh(host, f"curl -s {API}/silences"))
    sh(host, f"curl -s -X DELETE {API}/silence/{one['id']}")
    assert silences(host) == []
    put = run(converged, "restore.py", service="alertmanager")
    assert put.code == 0 and "alertmanager runs with /data/backup/alertmanager/2" in put.text, put.text
    assert silences(host) == ["while we build"]
    assert sh(host, "test -e /run/lgtm/lock || echo free") == "free"
    assert {json.loads(line)["action"] for line in sh(host, "cat /opt/lgtm/log").splitlines()} >= {"backup", "restore"}
    assert converged.dry().code == 0


def test_a_copy_that_is_not_there_or_not_whole_is_refused(converged: Site, host: Host) -> None:
    run(converged, "backup.py")
    missing = run(converged, "restore.py", service="alertmanager", copy_name="20200101T000000Z.tar")
    assert missing.code == 1 and "there is no such backup of alertmanager; the backups are: 2" in missing.text
    sh(host, f"cd {COPIES} && head -c 700 $(ls 2*.tar | tail -n 1) >29990101T000000Z.tar")
    broken = run(converged, "restore.py", service="alertmanager")
    assert broken.code == 1 and "there is no such backup" in broken.text
    sh(host, "rm /data/backup/alertmanager/29990101T000000Z.tar")
    assert sh(host, "systemctl is-active lgtm-alertmanager") == "active"
    assert run(converged, "restore.py").code == 3
    outside = run(converged, "restore.py", service="../alertmanager")
    assert outside.code == 3 and "service = '../alertmanager' must" in outside.text, outside.text


def test_data_that_the_service_does_not_start_with_is_taken_back(converged: Site, host: Host) -> None:
    sh(host, "mkdir -p /tmp/x/data/alertmanager && head -c 100 /dev/urandom >/tmp/x/data/alertmanager/silences")
    sh(host, f"tar -c -f {COPIES}/29990101T000000Z.tar -C /tmp/x data/alertmanager/silences")
    before = silences(host)
    failed = run(converged, "restore.py", service="alertmanager")
    assert failed.code == 1 and "the data from before the restore was put back" in failed.text, failed.text
    assert silences(host) == before
    sh(host, "rm /data/backup/alertmanager/29990101T000000Z.tar")


def test_data_is_destroyed_only_of_a_service_that_has_left_and_when_the_host_is_named_too(
    converged: Site, host: Host
) -> None:
    assert run(converged, "destroy.py", service="alertmanager").code == 3
    there = run(converged, "destroy.py", service="alertmanager", confirm=host.name)
    assert there.code == 1 and "alertmanager is still deployed on this host" in there.text, there.text
    converged.hosts[host] = ("node_exporter",)
    assert converged.deploy("--data", "remove=alertmanager").code == 0
    assert sh(host, "ls /data/alertmanager") != ""
    gone = run(converged, "destroy.py", service="alertmanager", confirm=host.name)
    assert gone.code == 0 and "destroyed /data/alertmanager" in gone.text
    assert sh(host, "test -e /data/alertmanager || echo gone; ls /data/backup") == "gone\nalertmanager"
