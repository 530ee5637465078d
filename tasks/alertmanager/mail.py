"""Mail as Alertmanager sends it: what it needs for that, and whether the mail server takes it."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import replace
from ipaddress import ip_address
from urllib.parse import urlsplit

from lgtm.task import Answer, Bad, Check, NotYet, Secret, Site, Write, combined, metric, missing

from .settings import ADDRESS, AlertmanagerSettings

IMPLICIT_TLS = "465"  # the port on which a mail server speaks TLS from the first byte
LOOPBACK = r"(localhost|127\.[0-9.]+|\[::1\])"
APP_PASSWORD = r"[A-Za-z]{4}(\s[A-Za-z]{4}){3}"  # as Google shows it: four groups of four letters
TRIES = "alertmanager_notification_requests_total"
FAILURES = "alertmanager_notification_requests_failed_total"


def require(settings: AlertmanagerSettings, site: Site) -> None:
    """Raise Refusal, a sentence for each thing that is missing before any mail can be sent."""
    wanted = {
        "SMTP_USERNAME": settings.smtp_username,
        "SMTP_PASSWORD": settings.smtp_password,
        "SMTP_FROM": sender(settings) or not settings.smtp_username,  # without a user name that comes first
        "ALERT_EMAIL": settings.alert_email,
    }
    problems = [
        str(missing(site.here.name, "alertmanager", key, site.environment)) for key in wanted if not wanted[key]
    ]
    if problems:
        raise combined(problems)


def sender(settings: AlertmanagerSettings) -> str | None:
    """The address that mails come from: SMTP_FROM, or the user name where that is an address."""
    user = settings.smtp_username
    return settings.smtp_from or (user if user and re.fullmatch(ADDRESS, user) else None)


def password(found: Secret) -> Secret:
    """The password as the mail server wants it: a Gmail App Password is shown with spaces, and has none."""
    shown = found.reveal().strip()
    return Secret(re.sub(r"\s", "", shown)) if re.fullmatch(APP_PASSWORD, shown) else found


def starttls(host: str) -> bool:
    """Whether to insist on STARTTLS: not to this host itself, nor where TLS is spoken from the first byte."""
    name, _, port = host.rpartition(":")
    return port != IMPLICIT_TLS and not re.fullmatch(LOOPBACK, name)


def login(settings: AlertmanagerSettings) -> Check:
    """The mail server takes user name and password. It is asked once: a server locks out who tries again and again."""
    host, user = settings.smtp_host, settings.smtp_username or ""
    scheme = "smtps" if host.endswith(f":{IMPLICIT_TLS}") else "smtp"
    return Check(
        "alertmanager.smtp_login",
        f"The mail server {host} takes the login (SMTP)",
        f"{scheme}://{host}",
        lambda answer: _login(answer, user),
        "no mail will come: see SMTP_HOST, SMTP_USERNAME, SMTP_PASSWORD; Gmail wants an App Password",
        "world",
        patience=0,
        slow=True,
        preflight=True,
        user=user,
        secret="alertmanager/smtp_password",
    )


def _login(answer: Answer, user: str) -> str:
    said = answer.body.strip().partition("\n")[0]
    if answer.status == 0 and "(67)" in said:  # curl's exit code for a login that was denied
        raise Bad(f"it refuses SMTP_USERNAME {user} with SMTP_PASSWORD: {said}")
    if answer.status != 250:
        raise Bad(f"SMTP {answer.status}: {said}" if answer.status else said)
    return f"logged in as {user}"


def heartbeat_name(url: Secret) -> Check:
    """The name of whoever waits for the heartbeat has an address; the path of the URL is a secret, the name is not."""
    name = urlsplit(url.reveal()).hostname
    return Check(
        "alertmanager.heartbeat_name",
        f"{name} has an address (heartbeat)",
        f"dns://{name}",
        _address_of,
        "see HEARTBEAT_URL, and the host's DNS: resolvectl status",
        "world",
        slow=True,
        preflight=True,
    )


def _address_of(answer: Answer) -> str:
    if answer.status != 200 or not answer.body.strip():
        raise Bad(answer.body.strip() or f"HTTP {answer.status}")
    return str(ip_address(answer.body.split()[0]))


def deliveries(site: Site, integration: str, title: str, remedy: str) -> Check:
    """Of the notifications sent by one of Alertmanager's integrations since its start, some got through."""
    return Check(
        f"alertmanager.{integration}",
        title,
        site.url("alertmanager", "/metrics"),
        lambda answer: _deliveries(answer, integration),
        remedy,
        "world",
    )


def _deliveries(answer: Answer, integration: str) -> str:
    """Judge by attempts, since a notification counts as failed only after minutes of them."""
    tried, failed = (metric(answer, name, f'integration="{integration}"') for name in (TRIES, FAILURES))
    if tried and failed == tried:
        raise Bad(f"none of {tried:.0f} attempts got through")
    return f"{tried:.0f} attempts, {failed:.0f} failed" if tried else "nothing to send yet"


def drill(site: Site) -> Check:
    """A test alert is taken by Alertmanager, and a mail about it leaves: what it has sent since is more than before."""
    labels = {"alertname": "LgtmTest", "severity": "info", "component": "monitoring", "test": secrets.token_hex(4)}
    told = {
        "summary": "This is a test of the way from Alertmanager to you",
        "description": "Somebody asked for it with --data mail=true. There is nothing to do.",
    }
    return Check(
        "alertmanager.drill",
        "A test alert reaches the mail server",
        site.url("alertmanager", "/metrics"),
        _left,
        "journalctl -u lgtm-alertmanager -g Notify says why; see alertmanager.smtp_login",
        "world",
        slow=True,
        write=Write(site.url("alertmanager", "/api/v2/alerts"), json.dumps([{"labels": labels, "annotations": told}])),
        settles=90,
    )


def _left(answer: Answer) -> str:
    then = replace(answer, body=answer.before)
    tried, failed = (_of_mail(answer, name) - _of_mail(then, name) for name in (TRIES, FAILURES))
    if failed > 0:
        raise Bad(f"{failed:.0f} of {tried:.0f} attempts since the test alert failed")
    if tried <= 0:
        raise NotYet("the test alert was taken, but no mail has left")
    return f"{tried:.0f} mails have left"


def _of_mail(answer: Answer, name: str) -> float:
    return metric(answer, name, 'integration="email"')
