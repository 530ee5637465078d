"""What the hosts talk to behaves as the real ones would, and as badly as it is told to."""

import http.client
import smtplib
import socket
import time
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from lab import credentials
from lab.contract import BACKEND_PORTS, REDIS_PORT, SMTP_PORT
from lab.errors import LabError
from lab.machines import Lab
from lab.services import backend
from lab.waiting import until

PAGES = ("/metrics", "/prometheus/data/metrics")


@pytest.fixture(autouse=True)
def healthy(lab: Lab) -> Iterator[None]:
    """Leave the services as they were."""
    yield
    lab.scenario("healthy")
    lab.scenario("smtp_accepting")


def get(lab: Lab, environment: str, path: str, token: str | None = None) -> tuple[int, str]:
    """Ask the backend for a page."""
    connection = http.client.HTTPConnection(lab.network.gateway, BACKEND_PORTS[environment], timeout=5)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body


def total(lab: Lab, metric: str, *labels: str) -> float:
    """Sum the series of production's metric whose labels contain the given text."""
    lines = get(lab, "production", "/metrics")[1].splitlines()
    chosen = [line for line in lines if line.startswith(metric + "{") and all(label in line for label in labels)]
    return sum(float(line.rpartition(" ")[2]) for line in chosen)


def secrets(lab: Lab) -> dict[str, str]:
    return credentials.read(lab.layout.env_file)


@pytest.mark.parametrize("page", PAGES)
def test_staging_wants_its_token_and_production_none(lab: Lab, page: str) -> None:
    assert get(lab, "production", page)[0] == 200
    assert get(lab, "staging", page)[0] == 401
    assert get(lab, "staging", page, "wrong")[0] == 401
    assert get(lab, "staging", page, secrets(lab)["STAGING_BEARER_TOKEN"])[0] == 200


def test_openmetrics_is_spoken_to_those_who_take_it(lab: Lab) -> None:
    connection = http.client.HTTPConnection(lab.network.gateway, BACKEND_PORTS["production"], timeout=5)
    for accepts, kind in {
        "application/openmetrics-text;version=1.0.0": "application/openmetrics-text",
        "": "text/plain",
    }.items():
        connection.request("GET", "/metrics", headers={"Accept": accepts})
        response = connection.getresponse()
        assert response.read().endswith(b"# EOF\n") is (kind != "text/plain")
        assert response.headers["Content-Type"].startswith(kind)
    connection.close()


def test_logs_and_traces_go_to_the_first_host(lab: Lab) -> None:
    command = backend(lab.network, secrets(lab)).command
    assert command[-2:] == ("--telemetry", lab.host(1).address)


def test_staging_can_refuse_its_own_token(lab: Lab) -> None:
    lab.scenario("staging_401")
    assert get(lab, "staging", "/metrics", secrets(lab)["STAGING_BEARER_TOKEN"])[0] == 401
    assert get(lab, "production", "/metrics")[0] == 200


def test_a_backend_that_is_down_says_nothing(lab: Lab) -> None:
    lab.scenario("down", "production")
    with pytest.raises(http.client.RemoteDisconnected):
        get(lab, "production", "/metrics")
    assert get(lab, "staging", "/health")[0] == 200


def test_traffic_stops_and_its_series_stay(lab: Lab) -> None:
    lab.scenario("zero_traffic")
    before = total(lab, "fastapi_requests_total")
    time.sleep(0.3)
    assert total(lab, "fastapi_requests_total") == before > 0


def test_after_a_restart_with_errors_only_there_is_no_success_series(lab: Lab) -> None:
    lab.scenario("all_errors_after_restart", "production")
    assert until(lambda: total(lab, "model_inference_requests_total", 'status="error"') > 0, 30)
    assert 'status="success"' not in get(lab, "production", "/metrics")[1]


def test_a_scenario_that_does_not_exist_is_refused_with_the_list(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"no scenario 'helthy'; there are healthy, zero_traffic"):
        lab.scenario("helthy")


def redis(lab: Lab, *commands: str) -> str:
    """Say something to Redis."""
    with socket.create_connection((lab.network.gateway, REDIS_PORT), timeout=5) as connection:
        connection.sendall("".join(f"{command}\r\n" for command in (*commands, "QUIT")).encode())
        return connection.makefile().read()


def test_redis_wants_its_password(lab: Lab) -> None:
    assert redis(lab, "PING").startswith("-NOAUTH")
    assert redis(lab, "AUTH wrong").startswith("-WRONGPASS")
    assert redis(lab, f"AUTH {secrets(lab)['REDIS_PASSWORD']}", "PING").startswith("+OK\n+PONG")


def send(lab: Lab, subject: str, **login: str) -> None:
    """Send a mail as Alertmanager does: AUTH PLAIN, no TLS."""
    known = secrets(lab)
    user = login.get("user", known["SMTP_USERNAME"])
    password = login.get("password", known["SMTP_PASSWORD"])
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "alerts@mail.lab", "ops@mail.lab", subject
    mail.set_content("It fires.")
    with smtplib.SMTP(lab.network.gateway, SMTP_PORT, timeout=5) as server:
        server.ehlo()
        assert server.esmtp_features["auth"].split() == ["PLAIN"]
        server.login(user, password)
        server.send_message(mail)


def test_mail_with_the_right_credentials_is_kept(lab: Lab) -> None:
    send(lab, "kept")
    (message,) = [
        path.read_text() for path in lab.layout.mail.glob("[0-9]*.eml") if "Subject: kept" in path.read_text()
    ]
    assert "It fires." in message
    assert "X-Lab-From: alerts@mail.lab" in message and "X-Lab-To: ops@mail.lab" in message


def test_mail_with_wrong_credentials_is_refused(lab: Lab) -> None:
    with pytest.raises(smtplib.SMTPAuthenticationError):
        send(lab, "refused", password="wrong")


def test_mail_without_credentials_is_refused(lab: Lab) -> None:
    with smtplib.SMTP(lab.network.gateway, SMTP_PORT, timeout=5) as server:
        server.ehlo()
        assert server.mail("stranger@mail.lab")[0] == 530


def test_the_sink_can_refuse_everybody(lab: Lab) -> None:
    lab.scenario("smtp_refusing")
    with pytest.raises(smtplib.SMTPAuthenticationError):
        send(lab, "refused")
    lab.scenario("smtp_accepting")
    send(lab, "accepted again")


def test_nothing_listens_anywhere_but_on_the_bridge(lab: Lab) -> None:
    ports = {*BACKEND_PORTS.values(), REDIS_PORT, SMTP_PORT}
    for port in ports:
        with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
            probe.connect(("127.0.0.1", port))
