"""The whole stack on one host: what is written into it, and read back the way a person does, through Grafana."""

from __future__ import annotations

import email
import email.policy
import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, TypeVar
from urllib.parse import quote

import pytest
from dashboards import Query
from harness import ROOT, Site, fresh, sh

from lab.machines import Host, Lab

WHOLE = (
    "prometheus", "alertmanager", "mimir", "loki", "tempo", "grafana", "alloy", "node_exporter", "redis_exporter",
    "blackbox_exporter",
)  # fmt: skip
PASSWORD = "/etc/lgtm/secrets/grafana/admin_password"

T = TypeVar("T")


@pytest.fixture(scope="module")
def first_host(lab: Lab) -> Iterator[Host]:
    """The host to which the lab's backend sends its logs and traces, bare."""
    with fresh(lab, 1) as [host]:
        yield host


@pytest.fixture(scope="module")
def whole_site(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One host with everything, which takes logs and traces from outside as the lab's own inventory has it."""
    return Site(tmp_path_factory.mktemp("site"), {host: WHOLE}, {"loki_exposed": True, "tempo_exposed": True})


def eventually(ask: Callable[[], T], seconds: float, what: str) -> T:
    """The first answer that is true; the test fails when there is none in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answer := ask():
            return answer
        time.sleep(1)
    pytest.fail(f"{what}: not within {seconds:.0f} s")


@dataclass(frozen=True)
class Grafana:
    """Grafana's API on a host, with the admin's login; the password never leaves the host."""

    host: Host

    def get(self, path: str) -> Any:
        """The JSON of an answer, or None for one that is no success."""
        login = f"""printf 'user = "admin:%s"' "$(cat {PASSWORD})" """
        answer = sh(self.host, f"{login} | curl -s -K - -w '\\n%{{http_code}}' 'http://127.0.0.1:3000{path}'")
        body, _, status = answer.rpartition("\n")
        return json.loads(body) if status == "200" and body else None

    def proxied(self, uid: str, path: str) -> Any:
        """What a data source answers, asked through Grafana."""
        return self.get(f"/api/datasources/proxy/uid/{uid}{path}")

    def query(self, uid: str, expression: str) -> list[Any]:
        """The result of an instant query of PromQL."""
        answer = self.proxied(uid, f"/api/v1/query?query={quote(expression, safe='')}")
        return list(answer["data"]["result"]) if answer else []

    def lines(self, selector: str) -> list[str]:
        """The log lines of the last hour that LogQL finds."""
        answer = self.proxied("grafana_loki", f"/loki/api/v1/query_range?since=1h&query={quote(selector, safe='')}")
        streams = answer["data"]["result"] if answer else []
        return [line for stream in streams for _, line, *_ in stream["values"]]

    def answers(self, query: Query) -> bool:
        """Whether a dashboard's query has data. An error is none: the test fails with it."""
        found = self.get(query.path())
        assert found is not None, query
        return bool(found.get("traces") if query.language == "traceql" else found["data"]["result"])

    def trace(self, trace_id: str) -> Any:
        """A trace by its id, or None."""
        return self.proxied("grafana_tempo", f"/api/traces/{trace_id}")


@dataclass(frozen=True)
class Canary:
    """One request of a service that does not exist, told to the stack in all three ways."""

    name: str = field(default_factory=lambda: f"canary-{secrets.token_hex(4)}")
    trace_id: str = field(default_factory=lambda: secrets.token_hex(16))
    span_id: str = field(default_factory=lambda: secrets.token_hex(8))

    def write(self, host: Host) -> None:
        """A sample through remote write, a line through Loki's push API, a span through OTLP."""
        self._sample(host)
        now = time.time_ns()
        line = json.dumps({"level": "info", "message": "a canary sings", "trace_id": self.trace_id})
        stream = {"stream": {"service": self.name, "level": "info"}, "values": [[str(now), line]]}
        _post(host, f"http://{host.address}:3100/loki/api/v1/push", {"streams": [stream]})
        _post(host, f"http://{host.address}:4318/v1/traces", self._span(now))

    def _sample(self, host: Host) -> None:
        promtool = "$(echo /opt/lgtm/artifacts/prometheus-*/promtool)"
        said = sh(host, f"echo '{self.name.replace('-', '_')} 42' | {promtool} push metrics "
                        f"--label job={self.name} http://127.0.0.1:9009/api/v1/push 2>&1; echo $?")  # fmt: skip
        assert said.endswith("0"), said

    def _span(self, now: int) -> Any:
        span = {
            "traceId": self.trace_id, "spanId": self.span_id, "name": "GET /canary", "kind": 2,
            "startTimeUnixNano": str(now - 250_000_000), "endTimeUnixNano": str(now), "status": {"code": 1},
        }  # fmt: skip
        named = {"attributes": [{"key": "service.name", "value": {"stringValue": self.name}}]}
        return {"resourceSpans": [{"resource": named, "scopeSpans": [{"spans": [span]}]}]}


def _post(host: Host, url: str, content: Any) -> None:
    said = sh(host, f"curl -s -w ' %{{http_code}}' -H 'Content-Type: application/json' {url} "
                    f"-d '{json.dumps(content)}'")  # fmt: skip
    assert said.split()[-1] in ("200", "204"), said


def mails(since: float, subject: str) -> list[EmailMessage]:
    """The mails that arrived in the lab's sink since a time, with these words in the subject, oldest first."""
    found = []
    for path in sorted((ROOT / ".lab" / "mail").glob("[0-9]*.eml")):
        if int(path.stem) >= since * 1e9:
            message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            if subject in str(message["Subject"]):
                found.append(message)
    return found


def text_of(message: EmailMessage) -> str:
    """A mail's plain text, as its reader sees it."""
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())
