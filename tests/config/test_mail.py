"""Mails, by the real programs: `amtool` renders them, Alertmanager sends them by SMTP."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from sites import ENV, component, file, make_site, stage

from lab.smtp import Doorkeeper, Sink, serve
from lgtm.load.plugins import tasks
from lgtm.model.checks import Answer, Bad, Check
from lgtm.model.component import CURRENT
from lgtm.model.secrets import Secret

FAST = {
    f"alertmanager_{name}": value
    for name, value in {
        "group_wait": "100ms", "critical_group_wait": "100ms", "group_interval": "1s", "critical_group_interval": "1s",
        "heartbeat_group_interval": "1s", "heartbeat_repeat_interval": "1s",
    }.items()
}  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
PASSWORD = ENV["SMTP_PASSWORD"].reveal()
RUNBOOK = "https://runbooks.example.com/HighAPIErrorRate?from=mail&env=production"


def alert(*, resolved: bool = False, annotations: dict[str, str] | None = None, **labels: str) -> dict[str, Any]:
    """An alert as templates see it."""
    return {
        "status": "resolved" if resolved else "firing",
        "labels": labels,
        "annotations": annotations or {},
        "startsAt": "2026-01-02T03:04:05Z",
        "endsAt": "2026-01-02T03:09:35Z" if resolved else "0001-01-01T00:00:00Z",
        "generatorURL": "http://127.0.0.1:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
    }


EXPLAINED = {"summary": "Errors abound", "description": "1 in 3 fails.", "value": "33%", "runbook_url": RUNBOOK}
API = {"alertname": "HighAPIErrorRate", "env": "production", "severity": "critical", "component": "api"}


@pytest.fixture(scope="module")
def program(artifact: Callable[[str], Path]) -> Path:
    """The folder with the real Alertmanager and amtool."""
    return artifact("alertmanager")


@dataclass(frozen=True)
class Rendered:
    """The three parts of a mail."""

    subject: str
    text: str
    html: str


@pytest.fixture
def render(program: Path, tmp_path: Path) -> Callable[..., Rendered]:
    """Render a mail of some alerts; the labels they have in common are found as Alertmanager finds them."""

    def rendered(*alerts: dict[str, Any], **settings: Any) -> Rendered:
        etc = stage(component(make_site({"one": ("alertmanager",)}, **settings), "alertmanager"), tmp_path)
        common = set.intersection(*(set(one["labels"].items()) for one in alerts))
        firing = any(one["status"] == "firing" for one in alerts)
        data = {
            "receiver": "other",
            "status": "firing" if firing else "resolved",
            "externalURL": "https://alerts.example.com",
            "alerts": alerts,
            "commonLabels": dict(common),
            "groupLabels": {name: value for name, value in common if name in ("alertname", "env", "component")},
        }
        (tmp_path / "data.json").write_text(json.dumps(data))
        return Rendered(*(part(etc, name) for name in ("subject", "text", "html")))

    def part(etc: Path, name: str) -> str:
        command = [str(program / "amtool"), "template", "render", f"--template.glob={etc}/templates/*.tmpl"]
        kind = "html" if name == "html" else "text"
        what = [f"--template.type={kind}", f'--template.text={{{{ template "mail.{name}" . }}}}']
        run = subprocess.run([*command, *what, f"--template.data={etc}/data.json"], capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        return run.stdout.rstrip("\n")

    return rendered


def test_a_mail_says_what_is_wrong_since_when_and_what_to_do(render: Callable[..., Rendered]) -> None:
    mail = render(alert(annotations=EXPLAINED | {"note": "Mine."}, **API))
    assert mail.subject == "[FIRING:1] HighAPIErrorRate (production) - gatewayz test"
    for part in (mail.text, mail.html):
        for said in ("Errors abound", "1 in 3 fails.", "33%", "2026-01-02 03:04:05 UTC", "note", "Mine.", "critical"):
            assert said in part
        assert "https://alerts.example.com/#/alerts" in part
    assert RUNBOOK in mail.text and "http://127.0.0.1:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1" in mail.text
    assert f'href="{RUNBOOK.replace("&", "&amp;")}"' in mail.html


def test_many_alerts_are_all_in_one_mail(render: Callable[..., Rendered]) -> None:
    many = [alert(alertname="SlowProviderResponse", env="production", provider=f"p{n}") for n in range(20)]
    mail = render(*many, alert(resolved=True, alertname="SlowProviderResponse", env="production", provider="p20"))
    assert mail.subject.startswith("[FIRING:20] SlowProviderResponse (production)")
    for part in (mail.text, mail.html):
        assert all(f"p{n}" in part for n in range(21))
        assert (part.count("FIRING") - part.count("FIRING:20"), part.count("RESOLVED")) == (20, 1)


@pytest.mark.parametrize(
    ("labels", "what"),
    [
        (
            {"alertname": "ProviderErrorSpike", "provider": "acme", "env": "staging"},
            "ProviderErrorSpike acme (staging)",
        ),
        ({"alertname": "LowModelHealthScore", "model": "m-1", "env": "staging"}, "LowModelHealthScore m-1 (staging)"),
        ({"alertname": "DiskFilling", "host": "store"}, "DiskFilling on store"),
        ({"severity": "warning"}, "Alert"),
    ],
)
def test_the_subject_names_what_it_is_about(render: Callable[..., Rendered], labels: dict[str, str], what: str) -> None:
    assert render(alert(**labels)).subject == f"[FIRING:1] {what} - gatewayz test"


def test_a_resolved_mail_looks_different(render: Callable[..., Rendered]) -> None:
    firing, resolved = (render(alert(resolved=over, annotations=EXPLAINED, **API)) for over in (False, True))
    assert resolved.subject == "[RESOLVED] HighAPIErrorRate (production) - gatewayz test"
    assert "until 2026-01-02 03:09:35 UTC" in resolved.text and "until" not in firing.text
    assert "FIRING" not in resolved.text + resolved.html and "RESOLVED" not in firing.text + firing.html
    assert ("#c62828" in firing.html, "#2e7d32" in firing.html) == (True, False)
    assert ("#c62828" in resolved.html, "#2e7d32" in resolved.html) == (False, True)
    assert "#ef6c00" in render(alert(alertname="LowAPIRequestRate", severity="warning")).html


def test_an_alert_without_annotations_or_labels_still_makes_a_mail(render: Callable[..., Rendered]) -> None:
    mail = render(alert(alertname="Mine"))
    assert "FIRING   Mine\n" in mail.text and "FIRING: Mine" in mail.html
    bare = render(alert())
    assert "Alert without a summary" in bare.text and "Alert without a summary" in bare.html
    for absent in ("Runbook", "Value", "no value", "nil"):
        assert absent not in mail.text + mail.html + bare.text + bare.html


def test_html_in_a_label_or_an_annotation_is_shown_and_not_obeyed(render: Callable[..., Rendered]) -> None:
    wild = '<script>alert("1")</script>&'
    notes = dict.fromkeys(("summary", "description", "value", "note"), wild)
    mail = render(alert(annotations=notes | {"runbook_url": "javascript:alert(1)"}, alertname=wild, model=wild))
    assert "<script" not in mail.html and "&lt;script&gt;" in mail.html
    assert 'href="javascript' not in mail.html
    assert wild in mail.text and wild in mail.subject


@pytest.mark.parametrize("address", ["https://grafana.example.com", "https://example.com/grafana/"])
def test_grafana_and_the_alerts_dashboard_are_linked_to(render: Callable[..., Rendered], address: str) -> None:
    mail = render(alert(annotations={"dashboard": "stack"}, **API), alertmanager_grafana_url=address)
    base = address.rstrip("/")
    assert f"\nGrafana: {base}\n" in mail.text + "\n" and f"Dashboard: {base}/d/stack\n" in mail.text
    assert f'<a href="{base}">Grafana</a>' in mail.html and f'<a href="{base}/d/stack">' in mail.html


def test_where_grafanas_address_is_not_known_the_dashboard_has_its_name(render: Callable[..., Rendered]) -> None:
    mail = render(alert(annotations={"dashboard": "stack"}, **API))
    assert "Dashboard: stack\n" in mail.text and "<td>stack</td>" in mail.html
    assert "Grafana" not in mail.text + mail.html and "Dashboard" not in render(alert(**API)).text


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def until(found: Callable[[], Any], patience: float = 15) -> Any:
    """Ask until the answer is true; the last answer."""
    end = time.monotonic() + patience
    while not (answer := found()) and time.monotonic() < end:
        time.sleep(0.05)
    return answer


@contextmanager
def mail_server(folder: Path, port: int) -> Iterator[None]:
    """The lab's SMTP sink on loopback, for the test site's user and password."""
    loop = asyncio.new_event_loop()
    keeper = Doorkeeper(ENV["SMTP_USERNAME"].reveal(), PASSWORD, folder / "refusing")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served = loop.create_task(serve("127.0.0.1", Sink(folder), keeper, tls, port))

    def run() -> None:
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(served)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(served.cancel)
        thread.join()
        loop.close()


@contextmanager
def heartbeats(heard: list[str]) -> Iterator[str]:
    """A server that hears heartbeats, and its URL."""

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            heard.extend(one["labels"]["alertname"] for one in sent["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/t0ken"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class Running:
    """An Alertmanager at work, and what comes of it."""

    url: str
    folder: Path
    heard: list[str]
    checks: dict[str, Check]

    def post(self, *alerts: dict[str, Any]) -> None:
        body = json.dumps(alerts).encode()
        headers = {"Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/api/v2/alerts", body, headers), timeout=5).close()

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def mails(self) -> list[EmailMessage]:
        paths = sorted(self.folder.glob("mail/[0-9]*.eml"))
        return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in paths]

    def judge(self, check: str) -> str:
        return self.checks[check].judge(Answer(200, self.get("/metrics")))

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


@contextmanager
def running(program: Path, folder: Path, password: str = PASSWORD) -> Iterator[Running]:
    """Alertmanager as it is deployed, but for the places of its files and for the time it takes."""
    (folder / "mail").mkdir()
    heard: list[str] = []
    smtp_port, port = free_port(), free_port()
    with mail_server(folder / "mail", smtp_port), heartbeats(heard) as heartbeat:
        env = {"SMTP_HOST": f"127.0.0.1:{smtp_port}", "SMTP_PASSWORD": password, "HEARTBEAT_URL": heartbeat}
        secrets = ENV | {key: Secret(value) for key, value in env.items()}
        site = make_site({"one": ("alertmanager",)}, secrets, alertmanager_http_port=port, **FAST)
        found = component(site, "alertmanager")
        places = {f"{CURRENT}/etc/alertmanager": folder / "etc", "/data/alertmanager": folder / "data"}
        places |= {"{artifact}": program, "/run/credentials/lgtm-alertmanager.service": folder / "credentials"}
        (folder / "etc").mkdir()
        etc = stage(found, folder / "etc")
        (etc / "alertmanager.yml").write_text(placed(file(found, "alertmanager.yml"), places))
        (folder / "credentials").mkdir()
        for one in found.secrets:
            (folder / "credentials" / one.name).write_text(one.value.reveal())
        checks = tasks()["alertmanager"].checks(site.here.services["alertmanager"], site)
        at = Running(f"http://127.0.0.1:{port}", folder, heard, {one.id: one for one in checks})
        with (folder / "log").open("w") as log:
            process = subprocess.Popen([placed(word, places) for word in found.unit.command], stderr=log)
        try:
            assert until(lambda: ready(port)), at.log
            yield at
        finally:
            process.terminate()
            process.wait(timeout=10)


def placed(text: str, places: dict[str, Path]) -> str:
    for mark, place in places.items():
        text = text.replace(mark, str(place))
    return text


def ready(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def alertmanager(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(program, tmp_path_factory.mktemp("alertmanager")) as found:
        yield found


def seen(labels: dict[str, str], **more: Any) -> dict[str, Any]:
    """An alert as Prometheus posts it."""
    return {"labels": labels, "generatorURL": "http://127.0.0.1:9090/graph", **more}


def subjects(alertmanager: Running, name: str) -> list[str]:
    return [mail["Subject"] for mail in alertmanager.mails() if name in mail["Subject"]]


def test_mail_arrives_when_an_alert_fires_and_when_it_is_over(alertmanager: Running) -> None:
    notes = EXPLAINED | {"summary": "Über 30 % <fail>"}
    alertmanager.post(seen(API, annotations=notes))
    assert until(lambda: subjects(alertmanager, "HighAPIErrorRate"))
    alertmanager.post(seen(API, annotations=notes, endsAt="2026-01-02T03:09:35Z", startsAt="2026-01-02T03:04:05Z"))
    assert until(lambda: len(subjects(alertmanager, "HighAPIErrorRate")) == 2)
    firing, resolved = (mail for mail in alertmanager.mails() if "HighAPIErrorRate" in mail["Subject"])
    assert firing["Subject"] == "[FIRING:1] HighAPIErrorRate (production) - gatewayz test"
    assert resolved["Subject"] == "[RESOLVED] HighAPIErrorRate (production) - gatewayz test"
    for mail in (firing, resolved):
        assert (mail["From"], mail["X-Lab-From"]) == ("alerts@example.com", "alerts@example.com")
        assert mail["To"] == mail["X-Lab-To"] == "oncall@example.com, boss@example.com"
        assert mail["Auto-Submitted"] == "auto-generated"
        plain, rich = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))  # type: ignore[union-attr]
        assert "Über 30 % <fail>" in plain and "Über 30 % &lt;fail&gt;" in rich
        assert RUNBOOK in plain and "33%" in plain and "33%" in rich


def test_what_is_not_critical_goes_to_the_others(alertmanager: Running) -> None:
    alertmanager.post(seen({"alertname": "DiskFilling", "host": "one", "severity": "warning"}))
    assert until(lambda: subjects(alertmanager, "DiskFilling"))
    [mail] = [mail for mail in alertmanager.mails() if "DiskFilling" in mail["Subject"]]
    assert mail["X-Lab-To"] == "operator@example.com"


def test_one_mail_tells_of_every_provider_that_has_the_same_trouble(alertmanager: Running) -> None:
    labels = {"alertname": "SlowProviderResponse", "component": "provider", "severity": "warning"}
    alertmanager.post(*(seen(labels | {"env": env, "provider": p}) for env in ("production", "staging") for p in "pq"))
    assert until(lambda: len(subjects(alertmanager, "SlowProviderResponse")) == 2)
    found = {subject.split(" - ")[0] for subject in subjects(alertmanager, "SlowProviderResponse")}
    assert found == {f"[FIRING:2] SlowProviderResponse ({env})" for env in ("production", "staging")}


def test_the_watchdog_is_heard_again_and_again_and_never_mailed(alertmanager: Running) -> None:
    alertmanager.post(seen({"alertname": "Watchdog", "severity": "none", "component": "monitoring"}))
    assert until(lambda: len(alertmanager.heard) >= 2)
    assert set(alertmanager.heard) == {"Watchdog"}
    alertmanager.post(seen({"alertname": "AfterTheWatchdog"}))
    assert until(lambda: subjects(alertmanager, "AfterTheWatchdog"))
    assert subjects(alertmanager, "Watchdog") == subjects(alertmanager, "AfterTheWatchdog")
    assert "attempts, 0 failed" in alertmanager.judge("alertmanager.webhook")


DOWN = {"alertname": "TargetDown", "severity": "critical", "component": "monitoring"}
SLOW = {"alertname": "HighAPILatency", "severity": "warning", "component": "api"}
VERY_SLOW = {"alertname": "CriticalAPILatency", "severity": "critical", "component": "api"}
MODEL_SLOW = {"alertname": "HighModelInferenceLatency", "severity": "warning", "component": "model"}
MODEL_ERRORS = {"alertname": "ModelInferenceErrorSpike", "severity": "critical", "component": "model"}
MODEL_ILL = {"alertname": "LowModelHealthScore", "severity": "critical", "component": "model"}
ERRORS = {"alertname": "ProviderErrorSpike", "severity": "critical", "component": "provider"}
ILL = {"alertname": "LowProviderHealthScore", "severity": "critical", "component": "provider"}
PROVIDER_SLOW = {"alertname": "SlowProviderResponse", "severity": "warning", "component": "provider"}
GONE = {"alertname": "TargetMissing", "severity": "critical", "component": "monitoring", "env": ""}
WATCHDOG = {"alertname": "Watchdog", "severity": "none", "component": "monitoring", "env": ""}
FULL = {"alertname": "DiskFilling", "severity": "warning", "component": "monitoring", "env": ""}


@pytest.mark.parametrize(
    ("cause", "other", "silenced"),
    [
        (VERY_SLOW, SLOW, True),
        (VERY_SLOW, MODEL_SLOW | {"model": "m"}, False),
        (VERY_SLOW, SLOW | {"env": "staging"}, False),
        (VERY_SLOW, ERRORS | {"provider": "p"}, False),
        (MODEL_ERRORS, MODEL_SLOW | {"model": "m"}, True),
        (MODEL_ERRORS | {"model": "m"}, MODEL_SLOW | {"model": "m"}, True),
        (MODEL_ERRORS | {"model": "m"}, MODEL_SLOW | {"model": "n"}, False),
        (MODEL_ERRORS, MODEL_ILL, True),
        (MODEL_ERRORS, PROVIDER_SLOW | {"provider": "p"}, False),
        (MODEL_ERRORS, ILL | {"provider": "p"}, False),  # which of them it is, one must know
        (MODEL_ILL, ILL | {"provider": "p"}, False),
        (ERRORS | {"provider": "p"}, ILL | {"provider": "p"}, True),
        (ERRORS | {"provider": "p"}, ILL | {"provider": "q"}, False),
        (ERRORS | {"provider": "p"}, ILL | {"provider": "p", "env": "staging"}, False),
        (ERRORS | {"provider": "p"}, PROVIDER_SLOW | {"provider": "p"}, True),
        (ERRORS | {"provider": "p"}, PROVIDER_SLOW | {"provider": "q"}, False),
        (DOWN | {"job": "gatewayz_production"}, SLOW, True),
        (DOWN | {"job": "gatewayz_production"}, VERY_SLOW, True),
        (DOWN | {"job": "gatewayz_staging", "env": "staging"}, ILL | {"provider": "p", "env": "staging"}, True),
        (DOWN | {"job": "gatewayz_production"}, SLOW | {"env": "staging"}, False),
        (DOWN | {"job": "gatewayz_data_metrics_production"}, SLOW, False),
        (DOWN | {"job": "gatewayz_production"}, DOWN | {"job": "gatewayz_data_metrics_production"}, False),
        (GONE | {"job": "gatewayz_production"}, SLOW, True),
        (GONE | {"job": "gatewayz_staging"}, SLOW, False),
        (DOWN | {"job": "mimir", "env": ""}, FULL, False),
        (DOWN | {"job": "gatewayz_production"}, WATCHDOG, False),
        (VERY_SLOW | {"env": ""}, SLOW | {"env": ""}, False),
        (WATCHDOG, FULL, False),
    ],
)
def test_an_alert_silences_what_it_explains_and_nothing_else(
    alertmanager: Running, cause: dict[str, str], other: dict[str, str], silenced: bool
) -> None:
    cause, other = (present({"env": "production"} | one) for one in (cause, other))
    last = uuid.uuid4().hex  # alerts are taken in order: where this pair has been, the others have
    alertmanager.post(seen(cause), seen(other), seen(VERY_SLOW | {"env": last}), seen(SLOW | {"env": last}))
    assert until(lambda: silencers(alertmanager, SLOW | {"env": last}))
    found = [bool(silencers(alertmanager, labels)) for labels in (cause, other)]
    over = {"startsAt": "2026-01-02T03:04:05Z", "endsAt": "2026-01-02T03:09:35Z"}
    alertmanager.post(seen(cause, **over), seen(other, **over))
    assert found == [False, silenced]


def silencers(alertmanager: Running, labels: dict[str, str]) -> list[str]:
    found = json.loads(alertmanager.get("/api/v2/alerts"))
    [status] = [one["status"] for one in found if one["labels"] == labels]
    return list(status["inhibitedBy"])


def present(labels: dict[str, str]) -> dict[str, str]:
    """The labels that Alertmanager keeps: an empty one is none."""
    return {name: value for name, value in labels.items() if value}


def test_mail_that_gets_through_is_counted(alertmanager: Running) -> None:
    alertmanager.post(seen({"alertname": "Counted"}))
    assert until(lambda: subjects(alertmanager, "Counted"))
    assert alertmanager.judge("alertmanager.email").endswith(" attempts, 0 failed")


@pytest.mark.parametrize("cause", ["wrong password", "refusing server"])
def test_a_refused_login_is_found_and_the_password_is_not_logged(program: Path, tmp_path: Path, cause: str) -> None:
    wrong = "Wr0ng-pa55word"
    with running(program, tmp_path, wrong if cause == "wrong password" else PASSWORD) as alertmanager:
        if cause == "refusing server":
            (tmp_path / "mail/refusing").touch()
        assert alertmanager.judge("alertmanager.email") == "no attempt yet"
        alertmanager.post(seen({"alertname": "Unheard"}))
        assert until(lambda: "535" in alertmanager.log)
        with pytest.raises(Bad, match=r"^all [0-9]+ attempts failed$"):
            alertmanager.judge("alertmanager.email")
        assert "Notify attempt failed" in alertmanager.log and "auth" in alertmanager.log
        assert wrong not in alertmanager.log and PASSWORD not in alertmanager.log
        assert alertmanager.mails() == []
        check = alertmanager.checks["alertmanager.email"]
        assert (check.gate, "SMTP_PASSWORD" in check.remedy, "SMTP" in check.title) == ("world", True, True)


def test_some_failures_are_no_alarm_and_missing_metrics_are() -> None:
    site = make_site()
    found = {one.id: one for one in tasks()["alertmanager"].checks(site.here.services["alertmanager"], site)}
    tried, failed = (
        f'alertmanager_notification_requests_{name}{{integration="email"}} ' for name in ("total", "failed_total")
    )
    assert found["alertmanager.email"].judge(Answer(200, f"{tried}5\n{failed}4\n")) == "5 attempts, 4 failed"
    for body in (f"{tried}5\n{failed}5\n", f"{tried}5\n", "", f"{failed}0\n"):
        with pytest.raises(Bad):
            found["alertmanager.email"].judge(Answer(200, body))


def test_what_is_not_sent_is_not_asked_about() -> None:
    secrets = {key: value for key, value in ENV.items() if key != "HEARTBEAT_URL"}
    site = make_site({"one": ("alertmanager",)}, secrets, alertmanager_mail=False)
    found = {one.id for one in tasks()["alertmanager"].checks(site.here.services["alertmanager"], site)}
    assert found == {"alertmanager.ready", "alertmanager.status", "alertmanager.config"}


@pytest.mark.parametrize(("host", "url"), [("m.test:587", "smtp://m.test:587"), ("m.test:465", "smtps://m.test:465")])
def test_the_login_is_tried_once_and_a_refusal_is_told_by_name(host: str, url: str) -> None:
    site = make_site({"one": ("alertmanager",)}, ENV | {"SMTP_HOST": Secret(host)})
    found = {one.id: one for one in tasks()["alertmanager"].checks(site.here.services["alertmanager"], site)}
    check = found["alertmanager.smtp_login"]
    assert (check.url, check.patience, check.gate) == (url, 0, "world")
    assert (check.user, check.secret) == ("robot@example.com", "alertmanager/smtp_password")
    assert check.judge(Answer(250, "OK")) == "logged in as robot@example.com"
    with pytest.raises(Bad, match=r"rejects SMTP_USERNAME robot@example.com with SMTP_PASSWORD: .*Login denied"):
        check.judge(Answer(0, "curl: (67) Login denied\n"))
    with pytest.raises(Bad, match=r"^curl: .6. Could not resolve host: m.test$"):
        check.judge(Answer(0, "curl: (6) Could not resolve host: m.test\nmore\n"))
    with pytest.raises(Bad, match="SMTP 421"):
        check.judge(Answer(421, ""))
    assert check.remedy.count("SMTP_") == 3
