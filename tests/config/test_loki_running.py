"""A real Loki runs with the rendered configuration, and passes its checks."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml
from lokis import SHIPPED, checks, loki
from sites import stage

from lgtm.model.checks import Answer, judge
from tasks.shared.inforce import difference
from tests.lab_machines.test_standins import FIGURES, LINES, SELECTED, push


def unpacked(data: bytes) -> bytes:
    """The content of a snappy block: a number that we need not know, then literals, and copies of what came before."""
    at, found = next(index for index, byte in enumerate(data) if byte < 128) + 1, bytearray()
    while at < len(data):
        kind, high, at = data[at] & 3, data[at] >> 2, at + 1
        if kind == 0:
            wide = max(0, high - 59)
            size = 1 + (int.from_bytes(data[at : at + wide], "little") if wide else high)
            found += data[at + wide : at + wide + size]
            at += wide + size
            continue
        wide, size = ((1, (high & 7) + 4), (2, high + 1), (4, high + 1))[kind - 1]
        back = int.from_bytes(data[at : at + wide], "little") | ((high >> 3) << 8 if kind == 1 else 0)
        for _ in range(size):
            found.append(found[-back])
        at += wide
    return bytes(found)


class Mimir(ThreadingHTTPServer):
    """Takes what it is sent, and keeps it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Push)
        self.taken: list[bytes] = []
        Thread(target=self.serve_forever, daemon=True).start()


class Push(BaseHTTPRequestHandler):
    server: Mimir

    def do_POST(self) -> None:
        self.server.taken.append(unpacked(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_request(self, *_: object) -> None:
        pass


class Running:
    """The real Loki with the configuration of a site, but for where it keeps things."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self.mimir, http, grpc = Mimir(), free_port(), free_port()
        self.folder, self.port = folder, http
        ports = {"loki_http_port": http, "loki_grpc_port": grpc, "mimir_http_port": self.mimir.server_port}
        self.checks = checks(SHIPPED, **ports)
        etc = stage(loki(SHIPPED, **ports), folder)
        for path in etc.rglob("*.y*ml"):
            text = path.read_text().replace("/opt/lgtm/current/etc/loki", str(folder))
            path.write_text(text.replace("/data/loki", str(folder / "data")).replace("interval: 1m", "interval: 1s"))
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen(
            [binary, f"-config.file={etc / 'loki.yml'}"], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL
        )

    def ask(self, url: str, body: bytes | None = None) -> Answer:
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"} if body else {})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return Answer(response.status, response.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode())
        except OSError as error:
            return Answer(0, str(error))

    def found(self, name: str, seconds: float = 20) -> str:
        """What a check finds, once it is good."""
        check, until = self.checks[name], time.monotonic() + seconds
        while True:
            result = judge("one", "loki", check, self.ask(check.url))
            if result.ok or time.monotonic() > until:
                return result.found if result.ok else f"BAD: {result.found}"
            time.sleep(0.1)

    def push(self, text: str, **labels: str) -> int:
        streams = [{"stream": labels, "values": [[str(time.time_ns()), text]]}]
        return self.ask(self.url("/loki/api/v1/push"), json.dumps({"streams": streams}).encode()).status

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def listens(self) -> set[str]:
        """The addresses its sockets listen on or take datagrams at, in hexadecimal as the kernel has them."""
        inodes = {os.readlink(path) for path in Path(f"/proc/{self.process.pid}/fd").iterdir()}
        tables = [
            (line.split(), kind)
            for kind in ("tcp", "tcp6", "udp", "udp6")
            for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]
        ]
        return {
            row[1].partition(":")[0]
            for row, kind in tables
            if f"socket:[{row[9]}]" in inodes and (kind.startswith("udp") or row[3] == "0A")
        }


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def binary() -> Path:
    found = Path(os.environ.get("LGTM_BINARIES", "/nonexistent")) / "loki"
    if not found.exists():
        pytest.skip("no real Loki: set LGTM_BINARIES to a folder with the executable `loki`")
    return found


@contextmanager
def started(binary: Path, folder: Path) -> Iterator[Running]:
    one = Running(binary, folder)
    try:
        assert one.found("loki.ready") == "200", (folder / "log").read_text()[-2000:]
        yield one
    finally:
        one.process.terminate()
        one.process.wait(60)
        one.mimir.shutdown()


@pytest.fixture(scope="module")
def running(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with started(binary, tmp_path_factory.mktemp("loki")) as one:
        yield one


def test_the_real_loki_is_as_the_checks_want_it(running: Running) -> None:
    assert running.found("loki.query", 0) == "no lines yet"
    assert running.found("loki.ingester") == "1 active ingester"
    rendered, shown = (running.folder / "loki.yml").read_text(), running.ask(running.url("/config")).body
    assert difference(yaml.safe_load(rendered), yaml.safe_load(shown)) == ""
    assert running.found("loki.runtime") == "runtime.yaml is in force"
    assert running.found("loki.lines", 0) == "BAD: no line in the last 5 minutes"


def test_the_real_loki_keeps_what_is_pushed(running: Running) -> None:
    assert running.push("boom", job="journal", host="one", level="err") == 204
    assert running.found("loki.lines") == "1 lines in the last 5 minutes"
    query = urllib.parse.urlencode({"query": '{job="journal"} |= "boom"'})
    [stream] = running.ask(running.url(f"/loki/api/v1/query_range?{query}")).json()["data"]["result"]
    assert stream["stream"]["host"] == "one"
    assert stream["stream"]["service_name"] == "journal"  # what the rules count by


def test_the_real_loki_records_for_mimir(running: Running) -> None:
    assert running.found("loki.rules") == "2 rules"
    assert running.push("again", job="journal", host="one", level="err") == 204
    until = time.monotonic() + 30
    while not any(b"logs:errors:rate5m" in body for body in running.mimir.taken) and time.monotonic() < until:
        time.sleep(0.2)
    sent = b"".join(running.mimir.taken)
    assert all(word in sent for word in (b"logs:errors:rate5m", b"environment", b"test", b"service_name", b"journal"))


def test_the_real_loki_selects_what_the_stand_in_does(binary: Path, tmp_path: Path) -> None:
    with started(binary, tmp_path) as one:
        for labels, line in LINES:
            body = json.dumps(push(labels, line, time.time_ns())).encode()
            assert one.ask(one.url("/loki/api/v1/push"), body).status == 204
        for query, wanted in FIGURES.items():
            found = one.ask(one.url(f"/loki/api/v1/query?{urllib.parse.urlencode({'query': query})}")).json()
            assert {tuple(each["metric"].values()) for each in found["data"]["result"]} == wanted.keys(), query
        for query, messages in SELECTED.items():
            found = one.ask(one.url(f"/loki/api/v1/query_range?{urllib.parse.urlencode({'query': query})}")).json()
            lines = [text for stream in found["data"]["result"] for _, text, *_ in stream["values"]]
            assert [json.loads(text)["message"] for text in lines] == messages, query


def test_the_real_loki_listens_on_loopback_only(running: Running) -> None:
    assert running.listens() == {"0100007F"}


def test_the_real_loki_reports_the_digest_of_its_runtime_file(running: Running) -> None:
    path = running.folder / "runtime.yaml"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    metrics = running.ask(running.url("/metrics")).body
    assert f'loki_runtime_config_hash{{config="loki",sha256="{digest}"}} 1' in metrics
    path.write_text("overrides: {fake: {max_streams: 1}}\n")
    until = time.monotonic() + 20
    while not running.found("loki.runtime", 0).startswith("BAD") and time.monotonic() < until:
        time.sleep(0.2)
    assert running.found("loki.runtime", 0) == "BAD: the last reading of runtime.yaml failed"
