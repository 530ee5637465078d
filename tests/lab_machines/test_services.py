"""What the hosts talk to wants its credentials, and listens on the bridge alone.

How it behaves in a scenario is shown where our checks and alerts see it: tests/lab/test_checklist.py, test_alerts.py.
"""

import http.client
import smtplib
import socket

import pytest

from lab import credentials
from lab.contract import BACKEND_PORTS, REDIS_PORT, SMTP_PORT
from lab.machines import Lab


def status(lab: Lab, environment: str, path: str, token: str = "") -> int:
    """Ask the backend for a page, and return the HTTP status."""
    connection = http.client.HTTPConnection(lab.network.gateway, BACKEND_PORTS[environment], timeout=5)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
    found = connection.getresponse().status
    connection.close()
    return found


@pytest.mark.parametrize("page", ["/metrics", "/prometheus/data/metrics"])
def test_staging_wants_its_token_and_production_none(lab: Lab, page: str) -> None:
    token = credentials.read(lab.layout.env_file)["STAGING_BEARER_TOKEN"]
    assert status(lab, "production", page) == 200
    assert [status(lab, "staging", page, given) for given in ("", "wrong", token)] == [401, 401, 200]


def redis(lab: Lab, *commands: str) -> str:
    with socket.create_connection((lab.network.gateway, REDIS_PORT), timeout=5) as connection:
        connection.sendall("".join(f"{command}\r\n" for command in (*commands, "QUIT")).encode())
        return connection.makefile().read()


def test_redis_wants_its_password(lab: Lab) -> None:
    assert redis(lab, "PING").startswith("-NOAUTH")
    assert redis(lab, f"AUTH {credentials.read(lab.layout.env_file)['REDIS_PASSWORD']}", "PING").startswith(
        "+OK\n+PONG"
    )


def test_mail_wants_its_login(lab: Lab) -> None:
    with smtplib.SMTP(lab.network.gateway, SMTP_PORT, timeout=5) as server:
        assert server.ehlo()[0] == 250 and server.esmtp_features["auth"].split() == ["PLAIN"]
        assert server.mail("stranger@mail.lab")[0] == 530
        with pytest.raises(smtplib.SMTPAuthenticationError):
            server.login("stranger", "wrong")


def test_nothing_listens_anywhere_but_on_the_bridge(lab: Lab) -> None:
    for port in (*BACKEND_PORTS.values(), REDIS_PORT, SMTP_PORT):
        with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
            probe.connect(("127.0.0.1", port))
