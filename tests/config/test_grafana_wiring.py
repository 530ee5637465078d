"""Grafana's files in use: prepared, started and checked here, with the lab's stand-in for Grafana."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sites import ENV, ROOT, component, make_site, stage

from lgtm.load.plugins import tasks
from lgtm.model.checks import Answer, Check, Result, judge
from lgtm.model.secrets import Secret
from lgtm.model.site import Site

WRAPPER = f"""\
#!/bin/sh
PYTHONPATH={ROOT} exec {sys.executable} -B -m lab.standins.grafana "$@"
"""


@dataclass
class Installation:
    """A host's files below one folder; what a person would find under / is found there."""

    folder: Path
    site: Site
    patience: float = 10  # seconds until it is ready

    def deploy(self, password: str) -> None:
        """Put everything where the unit expects it."""
        places = {
            "/opt/lgtm/current/etc/grafana": str(self.folder / "etc"),
            "/data/grafana": str(self.folder / "data"),
            "/run/credentials/lgtm-grafana.service": str(self.folder),
            "{artifact}": str(self.folder / "artifact"),
        }
        found = component(self.site, "grafana")
        stage(found, self.folder / "etc")
        for path in (self.folder / "etc").rglob("*.[iy]*"):
            path.write_text(placed(path.read_text(), places))
        (self.folder / "admin_password").write_text(password)
        commands = (*found.unit.before, found.unit.command)
        self.commands = [[placed(word, places) for word in command] for command in commands]

    @contextmanager
    def started(self) -> Iterator[None]:
        """Do what systemd does with the unit."""
        *before, command = self.commands
        for one in before:
            subprocess.run(one, check=True, stdout=subprocess.DEVNULL)
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            self.wait()
            yield
        finally:
            process.terminate()
            process.wait(self.patience)

    def wait(self) -> None:
        end = time.monotonic() + self.patience
        while not self.ask("grafana.ready").ok:
            assert time.monotonic() < end, self.ask("grafana.ready").found
            time.sleep(0.1)

    def ask(self, name: str) -> Result:
        """Ask one of Grafana's checks, as a host would."""
        every = tasks()["grafana"].checks(self.site.here.services["grafana"], self.site)
        check = next(one for one in every if one.id == name)
        return judge("one", "grafana", check, answered(check, self.folder))


def placed(text: str, places: dict[str, str]) -> str:
    for known, place in places.items():
        text = text.replace(known, place)
    return text


def answered(check: Check, folder: Path) -> Answer:
    request = urllib.request.Request(check.url)
    if check.user:
        login = f"{check.user}:{(folder / Path(check.secret).name).read_text()}"
        request.add_header("Authorization", f"Basic {base64.b64encode(login.encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return Answer(response.status, response.read().decode())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read().decode())
    except OSError as error:
        return Answer(0, str(error))


def free_ports(number: int) -> list[int]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [int(server.getsockname()[1]) for server in servers]
    for server in servers:
        server.close()
    return ports


@pytest.fixture
def installed(tmp_path: Path) -> Installation:
    """Grafana beside a Prometheus and a Loki, deployed but not started."""
    grafana, prometheus, loki = free_ports(3)
    site = make_site(
        {"one": ("grafana", "prometheus", "loki")},
        ENV | {"GRAFANA_ADMIN_PASSWORD": Secret("first-password")},
        grafana_http_port=grafana,
        prometheus_http_port=prometheus,
        loki_http_port=loki,
    )
    program = tmp_path / "artifact" / "bin" / "grafana"
    program.parent.mkdir(parents=True)
    program.write_text(WRAPPER)
    program.chmod(0o755)
    (tmp_path / "data").mkdir()
    found = Installation(tmp_path, site)
    found.deploy("first-password")
    return found


@contextmanager
def prometheus(site: Site, program: Path, data: Path) -> Iterator[None]:
    """A real Prometheus where the site has one."""
    (data / "prometheus.yml").write_text("{}")
    command = [program / "prometheus", f"--config.file={data}/prometheus.yml", f"--storage.tsdb.path={data}/tsdb"]
    listen = f"--web.listen-address={site.target('prometheus')}"
    process = subprocess.Popen([*command, listen], stderr=subprocess.DEVNULL, env=dict(os.environ))
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def test_everything_delivered_is_found_behind_the_login(installed: Installation) -> None:
    with installed.started():
        for name in ("database", "anonymous", "login", "datasources", "dashboards"):
            result = installed.ask(f"grafana.{name}")
            assert result.ok, result.found


def test_a_data_source_is_well_when_it_really_answers(
    installed: Installation, artifact: Callable[[str], Path], tmp_path: Path
) -> None:
    with installed.started():
        assert "refused" in installed.ask("grafana.asks_prometheus").found
        with prometheus(installed.site, artifact("prometheus"), tmp_path):
            end = time.monotonic() + 20
            while not installed.ask("grafana.asks_prometheus").ok and time.monotonic() < end:
                time.sleep(0.2)
            assert installed.ask("grafana.asks_prometheus").ok
            assert not installed.ask("grafana.asks_loki").ok


def test_a_rotated_password_is_in_force_after_a_restart_and_the_old_one_is_nowhere(installed: Installation) -> None:
    with installed.started():
        (installed.folder / "admin_password").write_text("second-password")
        assert "rejects the password" in installed.ask("grafana.login").found
    with installed.started():
        assert installed.ask("grafana.login").ok
        (installed.folder / "admin_password").write_text("first-password")
        assert "rejects the password" in installed.ask("grafana.login").found
    texts = [
        path.read_bytes() for path in installed.folder.rglob("*") if path.is_file() and path.name != "admin_password"
    ]
    assert not [text for text in texts if b"first-password" in text or b"second-password" in text]


def test_the_key_outlives_restarts(installed: Installation) -> None:
    with installed.started():
        key = (installed.folder / "data" / "secret_key").read_text()
    with installed.started():
        assert (installed.folder / "data" / "secret_key").read_text() == key
