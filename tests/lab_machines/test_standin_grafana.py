"""The Grafana stand-in says what it is, lets in whom it should, and passes on what it is asked."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from lab.waiting import until

ROOT = Path(__file__).parents[2]
INI = """\
[paths]
data = {folder}
provisioning = {folder}/provisioning
[server]
http_addr = 127.0.0.1
http_port = {port}
[security]
admin_user = admin
admin_password = $__file{{{folder}/password}}
secret_key = $__file{{{folder}/key}}
"""
BROKEN = {
    "anonymous access": (
        "[paths]",
        "[auth.anonymous]\nenabled = true\n[paths]",
        "[auth.anonymous] enabled can only be",
    ),
    "no address": ("http_addr = 127.0.0.1", "", "[server] http_addr must be given"),
    "a port that is none": ("http_port = ", "http_port = 9", "is not a port"),
    "a secret that is not there": ("/key}", "/nothing}", "[security] secret_key: cannot read"),
    "no INI": ("[paths]\n", "", "is no INI file"),
}
ECHO = {"prometheus": "/api/v1/query?query=1%2B1", "loki": "/loki/api/v1/labels", "tempo": "/api/echo"}


class Source(BaseHTTPRequestHandler):
    """A data source that answers with what it was asked."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        said = {"asked": f"{self.command} {self.path} {body}".strip(), "login": self.headers.get("Authorization")}
        self.send_response(500 if "broken" in self.path else 200)
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Standin:
    """A stand-in's files, and the port it listens on when it runs."""

    folder: Path
    port: int

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-B", "-m", "lab.standins.grafana", *words]

    def options(self) -> list[str]:
        return ["--homepath", "/", "--config", str(self.folder / "grafana.ini")]

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words), env=ENVIRONMENT, input=stdin, capture_output=True, text=True, timeout=20
        )

    def reset(self, password: str) -> subprocess.CompletedProcess[str]:
        words = ("cli", *self.options(), "admin", "reset-admin-password", "--password-from-stdin")
        return self.run(*words, stdin=password)

    @contextmanager
    def serving(self) -> Iterator[None]:
        process = subprocess.Popen(self.command("server", *self.options()), env=ENVIRONMENT, stderr=subprocess.PIPE)
        try:
            assert until(lambda: self.get("/api/health", "")[0] == 200, 10)
            yield
        finally:
            process.terminate()
            assert process.wait(10) == 0

    def get(self, path: str, password: str = "first-password", body: bytes | None = None) -> tuple[int, Any]:
        """HTTP status and JSON (or text) of a path; without a password nobody logs in."""
        login = (
            {"Authorization": f"Basic {base64.b64encode(f'admin:{password}'.encode()).decode()}"} if password else {}
        )
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, login)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, read(response.read())
        except urllib.error.HTTPError as error:
            return error.code, read(error.read())
        except OSError as error:
            return 0, str(error)


ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}


def read(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def upstream() -> Iterator[str]:
    """The URL of a data source that answers."""
    server = HTTPServer(("127.0.0.1", 0), Source)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def standin(tmp_path: Path) -> Standin:
    """A stand-in that is not running yet, with one dashboard and no data source."""
    found = Standin(tmp_path, free_port())
    (tmp_path / "grafana.ini").write_text(INI.format(folder=tmp_path, port=found.port))
    (tmp_path / "password").write_text("first-password")
    (tmp_path / "key").write_text("the-key")
    provide(found, {"stack": {"uid": "stack", "title": "The stack"}})
    return found


def provide(standin: Standin, boards: Mapping[str, Any], **sources: Any) -> None:
    """Write provisioning files."""
    folder = standin.folder / "provisioning"
    for kind in ("datasources", "dashboards"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    provider = {
        "folder": "ours",
        "folderUid": "ours",
        "updateIntervalSeconds": 1,
        "options": {"path": str(folder / "boards")},
    }
    (folder / "dashboards" / "d.yml").write_text(json.dumps({"providers": [provider]}))
    (folder / "boards").mkdir(exist_ok=True)
    for name, model in boards.items():
        (folder / "boards" / f"{name}.json").write_text(json.dumps(model))
    found = [{"uid": uid, "name": uid} | one for uid, one in sources.items()]
    (folder / "datasources" / "s.yml").write_text(json.dumps({"datasources": found}))


@pytest.mark.parametrize("flag", ["--version", "-v"])
def test_it_says_what_it_is(standin: Standin, flag: str) -> None:
    assert standin.run(flag).stdout == "Grafana stand-in, version 12.4.2+standin\n"


@pytest.mark.parametrize(
    "words", [(), ("server",), ("cli", "plugins", "ls"), ("server", "--homepath=/", "--config=a", "x")]
)
def test_words_that_it_does_not_know_are_refused(standin: Standin, words: tuple[str, ...]) -> None:
    done = standin.run(*words)
    assert done.returncode == 2 and "knows server" in done.stderr


@pytest.mark.parametrize("fault", BROKEN)
def test_it_refuses_a_bad_configuration(standin: Standin, fault: str) -> None:
    old, new, complaint = BROKEN[fault]
    path = standin.folder / "grafana.ini"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    done = standin.run("server", *standin.options())
    assert done.returncode == 1 and complaint in done.stderr
    assert "first-password" not in done.stderr


@pytest.mark.parametrize(
    ("sources", "complaint"),
    [
        ({"a b": {"type": "loki"}}, "a valid uid is missing"),
        ({"one": {}}, "data source 1: name, type"),
        ({"one": {"type": "loki", "name": "x"}, "two": {"type": "loki", "name": "x"}}, "the same name"),
        ({"one": {"type": "loki", "isDefault": True}, "two": {"type": "loki", "isDefault": True}}, "the default"),
    ],
)
def test_it_refuses_data_sources_that_grafana_would(standin: Standin, sources: dict[str, Any], complaint: str) -> None:
    provide(standin, {}, **sources)
    done = standin.run("server", *standin.options())
    assert done.returncode == 1 and complaint in done.stderr


def test_provisioning_that_is_no_yaml_is_refused(standin: Standin) -> None:
    (standin.folder / "provisioning" / "datasources" / "s.yml").write_text("datasources: [")
    done = standin.run("server", *standin.options())
    assert done.returncode == 1 and "is no YAML" in done.stderr


def test_only_the_administrator_gets_in(standin: Standin) -> None:
    with standin.serving():
        assert standin.get("/api/org") == (200, {"id": 1, "name": "Main Org."})
        for path in ("/api/org", "/api/search", "/api/datasources", "/api/datasources/proxy/uid/a/x", "/api/anything"):
            assert standin.get(path, "")[0] == standin.get(path, "wrong")[0] == 401
        for path in ("/", "/login", "/api/health", "/metrics"):
            assert standin.get(path, "")[0] == 200
        assert "stand-in" in standin.get("/login", "")[1]
        assert 'grafana_build_info{version="12.4.2+standin"' in standin.get("/metrics", "")[1]


def test_a_password_of_the_configuration_is_for_a_new_database_only(standin: Standin) -> None:
    with standin.serving():
        pass
    (standin.folder / "password").write_text("other-password")
    with standin.serving():
        assert (standin.get("/api/org")[0], standin.get("/api/org", "other-password")[0]) == (200, 401)
    assert standin.reset("other-password").returncode == 0
    with standin.serving():
        assert (standin.get("/api/org")[0], standin.get("/api/org", "other-password")[0]) == (401, 200)
    assert "other-password" not in (standin.folder / "grafana.db").read_text()


def test_a_short_password_is_refused(standin: Standin) -> None:
    done = standin.reset("four")
    assert done.returncode == 1 and "too short" in done.stderr


def test_another_key_does_not_open_the_database(standin: Standin) -> None:
    assert standin.reset("first-password").returncode == 0
    (standin.folder / "key").write_text("another-key")
    done = standin.run("server", *standin.options())
    assert done.returncode == 1 and "made with another secret_key" in done.stderr


def test_a_real_database_is_not_touched(standin: Standin) -> None:
    real = b"SQLite format 3\0"
    (standin.folder / "grafana.db").write_bytes(real)
    done = standin.reset("first-password")
    assert done.returncode == 1 and "was not made by a stand-in" in done.stderr
    assert (standin.folder / "grafana.db").read_bytes() == real


def test_dashboards_are_listed_and_read_again(standin: Standin) -> None:
    with standin.serving():
        [listed] = standin.get("/api/search?type=dash-db")[1]
        assert (listed["uid"], listed["title"], listed["folderUid"]) == ("stack", "The stack", "ours")
        assert standin.get("/api/dashboards/uid/stack")[1]["dashboard"]["title"] == "The stack"
        assert standin.get("/api/dashboards/uid/other")[0] == 404
        assert standin.get("/api/search?query=stack")[0] == 501
        (standin.folder / "provisioning" / "boards" / "broken.json").write_text("{")
        provide(standin, {"stack": {"uid": "stack", "title": "Another"}})
        assert until(lambda: standin.get("/api/search")[1][0]["title"] == "Another", 5)


def test_variables_are_expanded_as_grafana_does(standin: Standin, upstream: str) -> None:
    provide(standin, {}, a={"type": "loki", "url": upstream, "jsonData": {"url": "$${__value.raw} ${NOT_SET}."}})
    with standin.serving():
        [found] = standin.get("/api/datasources")[1]
        assert found["jsonData"]["url"] == "${__value.raw} ."
        assert (found["uid"], found["readOnly"]) == ("a", True)
        assert standin.get("/api/datasources/uid/a")[1] == found


@pytest.mark.parametrize("kind", ECHO)
def test_a_data_source_is_really_asked_how_it_is(standin: Standin, upstream: str, kind: str) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    urls = {"well": upstream, "ill": f"{upstream}/broken", "dead": dead}
    provide(standin, {}, **{uid: {"type": kind, "url": url} for uid, url in urls.items()})
    with standin.serving():
        found = {uid: standin.get(f"/api/datasources/uid/{uid}/health") for uid in urls}
    assert {uid: (status, one["status"]) for uid, (status, one) in found.items()} == {
        "well": (200, "OK"),
        "ill": (400, "ERROR"),
        "dead": (400, "ERROR"),
    }
    assert f"/broken{ECHO[kind]}" in found["ill"][1]["message"]
    assert "refused" in found["dead"][1]["message"]


def test_what_it_does_not_know_is_refused(standin: Standin, upstream: str) -> None:
    provide(standin, {}, a={"type": "influxdb", "url": upstream})
    with standin.serving():
        assert standin.get("/api/datasources/uid/a/health")[0] == 501
        assert standin.get("/api/datasources/uid/a/resources/x")[0] == 501
        assert standin.get("/api/datasources/uid/other/health")[0] == 404
        assert standin.get("/api/ds/query", body=b"{}")[0] == 501


def test_questions_are_passed_on_and_the_login_is_not(standin: Standin, upstream: str) -> None:
    provide(standin, {}, p={"type": "prometheus", "url": f"{upstream}/prometheus"}, l={"type": "loki", "url": upstream})
    with standin.serving():
        through = "/api/datasources/proxy/uid"
        assert standin.get(f"{through}/p/api/v1/query?query=a%7B%7D") == (
            200,
            {"asked": "GET /prometheus/api/v1/query?query=a%7B%7D", "login": None},
        )
        assert standin.get(f"{through}/p/api/v1/query", body=b"query=up")[1]["asked"].endswith("/query query=up")
        assert standin.get(f"{through}/l/loki/api/v1/push", body=b"x")[1]["asked"] == "POST /loki/api/v1/push x"
        assert standin.get(f"{through}/p/api/v1/push", body=b"x")[0] == 403
        assert standin.get(f"{through}/p/broken")[0] == 500
        assert standin.get(f"{through}/other/x")[0] == 404


def test_a_data_source_that_is_down_is_a_bad_gateway(standin: Standin) -> None:
    provide(standin, {}, a={"type": "loki", "url": f"http://127.0.0.1:{free_port()}"})
    with standin.serving():
        status, said = standin.get("/api/datasources/proxy/uid/a/loki/api/v1/labels")
        assert status == 502 and "refused" in said["message"]
