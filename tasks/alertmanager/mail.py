"""Mail: the settings it needs, and checks that the mail server accepts it."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import replace
from ipaddress import ip_address
from urllib.parse import urlsplit

from lgtm.task import Answer, Bad, Check, NotYet, Secret, Site, Write, combined, metric, missing

from .settings import ADDRESS, AlertmanagerSettings

IMPLICIT_TLS = "465"  # the port on which mail servers use TLS from the start
LOOPBACK = r"(localhost|127\.[0-9.]+|\[::1\])"
APP_PASSWORD = r"[A-Za-z]{4}(\s[A-Za-z]{4}){3}"  # as Google shows it: four groups of four letters
TRIES = "alertmanager_notification_requests_total"
FAILURES = "alertmanager_notification_requests_failed_total"


def require(settings: AlertmanagerSettings, site: Site) -> None:
    """Raises Refusal, with a sentence for each setting that is missing to send mail."""
    wanted = {
        "SMTP_USERNAME": settings.smtp_username,
        "SMTP_PASSWORD": settings.smtp_password,
        "SMTP_FROM": sender(settings) or not settings.smtp_username,  # a missing user name is reported first
        "ALERT_EMAIL": settings.alert_email,
    }
    problems = [
        str(missing(site.here.name, "alertmanager", key, site.environment)) for key in wanted if not wanted[key]
    ]
    if problems:
        raise combined(problems)


def sender(settings: AlertmanagerSettings) -> str | None:
    """Sender address of the mails: SMTP_FROM, or the user name if that is an address."""
    user = settings.smtp_username
    return settings.smtp_from or (user if user and re.fullmatch(ADDRESS, user) else None)


def password(value: Secret) -> Secret:
    """The password without the spaces with which Google shows an App Password."""
    shown = value.reveal().strip()
    return Secret(re.sub(r"\s", "", shown)) if re.fullmatch(APP_PASSWORD, shown) else value


def starttls(host: str) -> bool:
    """Whether to require STARTTLS: not for loopback, and not where TLS is used from the start."""
    name, _, port = host.rpartition(":")
    return port != IMPLICIT_TLS and not re.fullmatch(LOOPBACK, name)


def login(settings: AlertmanagerSettings) -> Check:
    """The mail server accepts the login. It is tried once: servers lock accounts after repeated failures."""
    host, user = settings.smtp_host, settings.smtp_username or ""
    scheme = "smtps" if host.endswith(f":{IMPLICIT_TLS}") else "smtp"
    return Check(
        id="alertmanager.smtp_login",
        title=f"The mail server {host} accepts the login (SMTP)",
        url=f"{scheme}://{host}",
        judge=lambda answer: _login(answer, user),
        remedy="no mail can be sent: check SMTP_HOST, SMTP_USERNAME, SMTP_PASSWORD; Gmail wants an App Password",
        gate="world",
        patience=0,
        slow=True,
        preflight=True,
        user=user,
        secret="alertmanager/smtp_password",
    )


def _login(answer: Answer, user: str) -> str:
    reply = answer.body.strip().partition("\n")[0]
    if answer.status == 0 and "(67)" in reply:  # curl's exit code for a rejected login
        raise Bad(f"it rejects SMTP_USERNAME {user} with SMTP_PASSWORD: {reply}")
    if answer.status != 250:
        raise Bad(f"SMTP {answer.status}: {reply}" if answer.status else reply)
    return f"logged in as {user}"


def heartbeat_name(url: Secret) -> Check:
    """The host name of HEARTBEAT_URL resolves. The path of the URL is secret, the name is not."""
    name = urlsplit(url.reveal()).hostname
    return Check(
        id="alertmanager.heartbeat_name",
        title=f"{name} resolves to an address (heartbeat)",
        url=f"dns://{name}",
        judge=_address_of,
        remedy="check HEARTBEAT_URL, and the host's DNS: resolvectl status",
        gate="world",
        slow=True,
        preflight=True,
    )


def _address_of(answer: Answer) -> str:
    if answer.status != 200 or not answer.body.strip():
        raise Bad(answer.body.strip() or f"HTTP {answer.status}")
    return str(ip_address(answer.body.split()[0]))


def deliveries(site: Site, integration: str, title: str, remedy: str) -> Check:
    """At least one notification of this integration has been delivered since Alertmanager's start."""
    return Check(
        id=f"alertmanager.{integration}",
        title=title,
        url=site.url("alertmanager", "/metrics"),
        judge=lambda answer: _deliveries(answer, integration),
        remedy=remedy,
        gate="world",
    )


def _deliveries(answer: Answer, integration: str) -> str:
    """Judge by attempts, because a notification counts as failed only after minutes of attempts."""
    tried, failed = (metric(answer, name, f'integration="{integration}"') for name in (TRIES, FAILURES))
    if tried and failed == tried:
        raise Bad(f"all {tried:.0f} attempts failed")
    return f"{tried:.0f} attempts, {failed:.0f} failed" if tried else "no attempt yet"


def drill(site: Site) -> Check:
    """Alertmanager accepts a test alert and sends a mail about it: its counter of mails rises."""
    labels = {"alertname": "LgtmTest", "severity": "info", "component": "monitoring", "test": secrets.token_hex(4)}
    annotations = {
        "summary": "This is a test of alerting by mail",
        "description": "It was requested with --data mail=true. No action is needed.",
    }
    return Check(
        id="alertmanager.drill",
        title="A test alert reaches the mail server",
        url=site.url("alertmanager", "/metrics"),
        judge=_left,
        remedy="journalctl -u lgtm-alertmanager -g Notify shows the reason; see alertmanager.smtp_login",
        gate="world",
        slow=True,
        write=Write(
            site.url("alertmanager", "/api/v2/alerts"), json.dumps([{"labels": labels, "annotations": annotations}])
        ),
        settles=90,
    )


def _left(answer: Answer) -> str:
    before = replace(answer, body=answer.before)
    tried, failed = (_of_mail(answer, name) - _of_mail(before, name) for name in (TRIES, FAILURES))
    if failed > 0:
        raise Bad(f"{failed:.0f} of {tried:.0f} attempts since the test alert failed")
    if tried <= 0:
        raise NotYet("Alertmanager accepted the test alert, but has sent no mail")
    return f"{tried:.0f} mails sent"


def _of_mail(answer: Answer, name: str) -> float:
    return metric(answer, name, 'integration="email"')
