"""The Alloy stand-in, under the very unit that Alloy runs under: every line of the journal arrives, and once."""

import json
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer

import pytest

from lab.machines import Host, Lab
from lab.waiting import until
from lgtm.load.plugins import tasks
from lgtm.model.checks import Answer
from lgtm.model.checks import judge as judged
from lgtm.model.component import Component
from lgtm.model.settings import SiteSettings
from lgtm.model.site import Node, Site
from lgtm.model.unit import ACTIVATE, render

from .test_artifacts import index, unpack

Stream = dict[str, str]


class Loki(ThreadingHTTPServer):
    """What Loki is to a shipper: it takes streams, or answers with another status."""

    daemon_threads = True
    server_bind = TCPServer.server_bind
    status = 204

    def __init__(self, address: str) -> None:
        super().__init__((address, 0), Push)
        self.lines: list[tuple[str, Stream]] = []
        self.refused: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def arrived(self, text: str) -> list[str]:
        """List the lines that contain a text, as often as they came."""
        return [line for line, _ in self.lines if text in line]


class Push(BaseHTTPRequestHandler):
    """Takes a push."""

    server: Loki

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for stream in body["streams"]:
            lines = [line for stamp, line in stream["values"] if len(stamp) == 19]
            if self.server.status == 204 and self.path == "/loki/api/v1/push":
                self.server.lines += [(line, stream["stream"]) for line in lines]
            else:
                self.server.refused += lines
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep silent."""


@pytest.fixture(scope="module")
def loki(lab: Lab) -> Iterator[Loki]:
    """A Loki on the bridge."""
    with Loki(lab.network.gateway) as server:
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def willing(loki: Loki) -> None:
    """Let each test begin with a Loki that takes everything."""
    loki.status = 204


@pytest.fixture(scope="module")
def site(lab: Lab, loki: Loki) -> Site:
    """A site whose Loki is on the bridge."""
    known = tasks()
    shipper = Node("lab1", SiteSettings(environment="lab"), {"alloy": known["alloy"].settings()})
    store = Node(
        "store",
        SiteSettings(environment="lab", private_address=lab.network.gateway),
        {"loki": known["loki"].settings(http_port=loki.server_address[1])},
    )
    uses = {name: task.uses for name, task in known.items()}
    return Site((shipper, store), shipper, uses, {}, Path())


@pytest.fixture(scope="module")
def component(site: Site) -> Component:
    return tasks()["alloy"].component(site.here.services["alloy"], site)


@pytest.fixture(scope="module")
def running(lab: Lab, component: Component) -> Host:
    """A host with the stand-in as the service it stands in for."""
    host = lab.host(1)
    unit = [line for line in render(component, unpack(lab, host, "alloy")).splitlines() if ACTIVATE not in line]
    host.run("sudo", "useradd", "--system", "--no-create-home", component.user)
    host.run("sudo", "install", "--directory", f"--owner={component.user}", "/data/alloy")
    host.run("sudo", "mkdir", "--parents", "/opt/lgtm/current/etc/alloy")
    write(host, component.files[0].content)
    host.run("sudo", "tee", "/etc/systemd/system/lgtm-alloy.service", stdin="\n".join(unit))
    host.run("sudo", "chmod", "-R", "a+rX", "/opt")
    host.run("sudo", "systemctl", "start", "lgtm-alloy")
    assert until(lambda: ask(host, "/-/ready") == "Alloy is ready.\n", 60)
    return host


def write(host: Host, text: str) -> None:
    """Put a configuration in place."""
    host.run("sudo", "tee", "/opt/lgtm/current/etc/alloy/config.alloy", stdin=text)


def ask(host: Host, path: str) -> str:
    """Ask the stand-in for a page."""
    return host.run("curl", "--silent", "--max-time", "5", f"http://127.0.0.1:12345{path}", check=False)


def metric(host: Host, name: str) -> float:
    """Read one of the stand-in's own metrics, whatever its labels."""
    lines = [line for line in ask(host, "/metrics").splitlines() if line.startswith(name)]
    return float(lines[0].rpartition(" ")[2]) if lines else float("nan")


def log(host: Host, text: str) -> None:
    """Write a line to the host's journal."""
    host.run("logger", text)


def test_it_says_what_it_is_and_refuses_unknown_flags(lab: Lab, tmp_path: Path) -> None:
    archive = lab.layout.artifacts / str(index(lab)["alloy"]["file"])
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="tar")
    program = str(tmp_path / archive.name.removesuffix(".tar.gz") / "alloy")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert said == "Alloy stand-in, version 1.20.1+standin\n"
    for words, complaint in {
        ("run", "--cluster.enabled", "f"): "unknown flag: --cluster.enabled",
        ("validate", "absent.alloy"): "No such file",
        ("start", "f"): "one of the commands",
    }.items():
        done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 1 and complaint in done.stderr


def test_a_line_arrives_with_its_labels(running: Host, loki: Loki) -> None:
    running.run("sudo", "systemd-run", "--quiet", "--unit=canary@1", "echo", "<3>canary-labels")
    assert until(lambda: loki.arrived("canary-labels") != [], 60)
    [labels] = [labels for line, labels in loki.lines if line == "canary-labels"]
    assert labels == {
        "job": "journal", "host": "lab1", "unit": "canary@.service", "level": "error", "environment": "lab",
    }  # fmt: skip


def test_what_was_written_before_it_started_arrives_too(running: Host, loki: Loki) -> None:
    assert until(lambda: loki.arrived("Started systemd-journald") + loki.arrived("Journal started") != [], 60)


def test_a_restart_neither_loses_nor_doubles_a_line(running: Host, loki: Loki) -> None:
    script = "for n in $(seq 1 120); do logger canary-restart-$n-; sleep 0.02; done"
    with subprocess.Popen(["ssh", *running.ssh_options(), running.name, script]):
        for _ in range(3):
            running.run("sudo", "systemctl", "restart", "lgtm-alloy")
    log(running, "canary-restart-end")
    assert until(lambda: loki.arrived("canary-restart-end") != [], 60)
    found = loki.arrived("canary-restart-")
    assert sorted(found) == sorted(["canary-restart-end", *(f"canary-restart-{n}-" for n in range(1, 121))])


def test_lines_wait_while_loki_is_away(running: Host, loki: Loki) -> None:
    loki.status = 503
    log(running, "canary-waiting")
    assert until(lambda: loki.refused.count("canary-waiting") > 1, 60)
    assert metric(running, "loki_write_batch_retries_total") > 0
    assert not loki.arrived("canary-waiting")
    running.run("sudo", "systemctl", "restart", "lgtm-alloy")
    loki.status = 204
    assert until(lambda: loki.arrived("canary-waiting") == ["canary-waiting"], 60)
    assert metric(running, "loki_write_dropped_entries_total") == 0


def test_the_task_finds_it_well(running: Host, site: Site) -> None:
    log(running, "canary-well")
    assert until(lambda: metric(running, "loki_write_sent_entries_total") > 0, 60)
    for check in tasks()["alloy"].checks(site.here.services["alloy"], site):
        page = ask(running, check.url.removeprefix("http://127.0.0.1:12345"))
        result = judged("lab1", "alloy", check, Answer(200, page))
        assert result.ok, result.found


def test_a_reload_takes_the_new_file_and_a_broken_one_leaves_the_old(running: Host, component: Component) -> None:
    stamp, success = component.reload.stamp, component.reload.success  # type: ignore[union-attr]
    good, before = component.files[0].content, metric(running, stamp)
    running.run("sudo", "systemctl", "kill", "--signal=HUP", "--kill-whom=main", "lgtm-alloy")
    assert until(lambda: metric(running, stamp) > before, 60)
    write(running, good.replace("loki.relabel", "loki.relable"))
    assert "cannot find the definition of component name" in ask(running, "/-/reload")
    assert metric(running, success) == 0
    write(running, good)
    assert ask(running, "/-/reload") == "config reloaded\n"
    assert metric(running, success) == 1


def test_what_loki_will_never_take_is_counted_as_lost(running: Host, loki: Loki) -> None:
    loki.status = 400
    log(running, "canary-refused")
    assert until(lambda: "canary-refused" in loki.refused, 60)
    loki.status = 204
    log(running, "canary-after")
    assert until(lambda: loki.arrived("canary-after") != [], 60)
    assert not loki.arrived("canary-refused")
    assert metric(running, "loki_write_dropped_entries_total") > 0


def test_it_ends_well_when_told_to(running: Host) -> None:
    running.run("sudo", "systemctl", "stop", "lgtm-alloy")
    journal = running.run("sudo", "journalctl", "--unit=lgtm-alloy", "--output=cat")
    assert "Deactivated successfully" in journal and "Failed with result" not in journal
