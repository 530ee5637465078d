"""Secrets: where they are, where they are not, and what a new one costs."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import dotenv
import pytest
from harness import ROOT, Site, checkout, pids, secret_values, sh
from stack import WHOLE, Grafana

from lab.machines import Host

# What an unprivileged user of the host can read, and what anybody can ask systemd and the process list.
READABLE = "find / -xdev -type f -perm -o=r ! -path '/proc/*' ! -path '/sys/*' -print0 2>/dev/null | xargs -0 cat"
PLACES = {
    "a world-readable file": f"{READABLE}; cat /run/lgtm/* /run/systemd/system/* 2>/dev/null",
    "a generation": "find /opt/lgtm -type f ! -path '*/artifacts/*' -exec cat {} +",
    "a unit": "systemctl cat 'lgtm-*'; systemctl show 'lgtm-*'",
    "the process list": "ps -eww -o args; cat /proc/[0-9]*/environ | tr '\\0' '\\n'",
    "the journal": "journalctl --no-pager -o export",
}


@pytest.fixture(scope="module")
def services() -> tuple[str, ...]:
    return WHOLE


@pytest.fixture(scope="module")
def site(host: Host, services: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site with a repository of its own, whose `.env.lab` can be changed."""
    root = checkout(tmp_path_factory.mktemp("repository") / "copy")
    shutil.copy(ROOT / ".env.lab", root / ".env.lab")
    return Site(tmp_path_factory.mktemp("site"), {host: services}, root=root)


@pytest.fixture
def rotated(converged: Site, request: pytest.FixtureRequest) -> Iterator[str]:
    """A new value for the secret that the test is parametrized with; the old one comes back afterwards."""
    yield from _rotate(converged.root / ".env.lab", request.param, secrets.token_urlsafe(18))
    converged.deployed()


def _rotate(path: Path, key: str, value: str) -> Iterator[str]:
    before = path.read_text()
    old = dotenv.dotenv_values(path)[key]
    path.write_text(before.replace(f"{key}={old}", f"{key}={value}"))
    yield value
    path.write_text(before)


def count(host: Host, place: str) -> int:
    """Lines of a place in which a secret occurs. The patterns are in a file, or the search would find itself."""
    patterns = "\\n".join(secret_values())
    sh(host, f"umask 077; printf '{patterns}\\n' >/root/patterns")
    found = sh(host, f"( {place} ) | grep -aFc -f /root/patterns; rm /root/patterns")
    return int(found)


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_in(converged: Site, host: Host, place: str) -> None:
    assert count(host, PLACES[place]) == 0


def test_the_search_finds_what_is_there(converged: Site, host: Host) -> None:
    sh(host, "install -m 644 /etc/lgtm/secrets/grafana/admin_password /opt/leaked")
    assert count(host, READABLE) > 0
    sh(host, "rm /opt/leaked")


def test_every_secret_file_is_roots_alone(converged: Site, host: Host) -> None:
    assert sh(host, "stat -c '%U %a' $(find /etc/lgtm/secrets -type f) | sort -u") == "root 600"


@pytest.mark.parametrize("rotated", ["GRAFANA_ADMIN_PASSWORD"], indirect=True)
def test_a_new_grafana_password_restarts_grafana_alone_and_is_in_force(
    converged: Site, host: Host, rotated: str
) -> None:
    old = str(dotenv.dotenv_values(ROOT / ".env.lab")["GRAFANA_ADMIN_PASSWORD"])
    processes = pids(host)
    converged.deployed()
    after = pids(host)
    assert {service for service in after if after[service] != processes[service]} == {"grafana"}
    assert Grafana(host).get("/api/org") is not None
    assert sh(host, f"curl -s -o /dev/null -w '%{{http_code}}' -u 'admin:{old}' http://127.0.0.1:3000/api/org") == "401"
    everywhere = "/etc /opt/lgtm /data /run /var/lib /var/log /tmp /var/tmp"
    assert sh(host, f"grep -rlaF -e '{old}' {everywhere} 2>/dev/null || true") == ""


@pytest.mark.parametrize("rotated", ["SMTP_PASSWORD"], indirect=True)
def test_a_wrong_mail_password_is_reported_by_name(converged: Site, host: Host, rotated: str) -> None:
    processes = pids(host)
    converged.deployed()
    after = pids(host)
    assert {service for service in after if after[service] != processes[service]} == {"alertmanager"}
    run = converged.run("verify.py")
    [line] = [line for line in run.text.splitlines() if "accepts the login (SMTP)" in line]
    assert "it rejects SMTP_USERNAME" in line and "with SMTP_PASSWORD" in line
    assert rotated not in run.text
