"""Settings of Alertmanager, and the formats of mail settings."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from lgtm.task import Duration, PortNumber, Secret, ServiceSettings, from_env

ADDRESS = r"[^\s@,;:<>()\[\]{}\"\\]+@[A-Za-z0-9.-]+"
HOST = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):([0-9]+)"


def _address(value: str) -> str:
    if not re.fullmatch(ADDRESS, value):
        raise ValueError('must be one mail address such as "alerts@example.com"')
    return value


def _addresses(value: str) -> tuple[str, ...]:
    found = tuple(one.strip() for one in value.split(","))
    if not all(re.fullmatch(ADDRESS, one) for one in found):
        raise ValueError('must be mail addresses with commas between them, such as "a@example.com, b@example.com"')
    return found


def _host(value: str) -> str:
    match = re.fullmatch(HOST, value)
    if not match or not 1 <= int(match[2]) <= 65535:
        raise ValueError('must be host:port such as "smtp.gmail.com:587"')
    return value


def _user(value: str) -> str:
    if re.search(r"[\s:\"\\]", value):
        raise ValueError("must be a user name without spaces, colons, quotes and backslashes")
    return value


def _web(value: str) -> str:
    if not re.fullmatch(r"https?://[^/\s{}\"<>]+(/[^\s{}\"<>]*)?", value):
        raise ValueError("must be an address that starts with http:// or https://")
    return value


def _secret_web(value: Secret) -> Secret:
    _web(value.reveal())
    return value


Address = Annotated[str, AfterValidator(_address)]
Addresses = Annotated[tuple[str, ...], BeforeValidator(_addresses)]
MailHost = Annotated[str, AfterValidator(_host)]
MailUser = Annotated[str, AfterValidator(_user)]
WebAddress = Annotated[str, AfterValidator(_web)]
SecretWebAddress = Annotated[Secret, AfterValidator(_secret_web)]


class AlertmanagerSettings(ServiceSettings):
    version: str = "0.34.1"
    http_port: PortNumber = 9093
    retention: Duration = "120h"
    """How long silences and the log of notifications are kept."""
    group_wait: Duration = "30s"
    """Wait for further alerts of a new group before the first mail."""
    group_interval: Duration = "5m"
    """Time between two mails about a group that changes."""
    repeat_interval: Duration = "4h"
    """Time between two mails about a group that does not change."""
    critical_group_wait: Duration = "10s"
    """`group_wait` for alerts of severity critical."""
    critical_group_interval: Duration = "1m"
    """`group_interval` for alerts of severity critical."""
    critical_repeat_interval: Duration = "30m"
    """`repeat_interval` for alerts of severity critical."""
    model_repeat_interval: Duration = "2h"
    """`repeat_interval` for alerts about a model that are not critical."""
    provider_repeat_interval: Duration = "2h"
    """`repeat_interval` for alerts about a provider that are not critical."""
    heartbeat_group_interval: Duration = "1m"
    """How often Alertmanager checks whether a heartbeat is due."""
    heartbeat_repeat_interval: Duration = "5m"
    """Time between two heartbeats while the Watchdog fires."""
    external_url: WebAddress | None = None
    """URL at which people reach Alertmanager, for links in mails."""
    grafana_url: WebAddress | None = None
    """URL at which people reach Grafana, for links in mails."""
    mail: bool = True
    """Send mails. False: alerts are shown by Alertmanager only."""
    smtp_host: MailHost = from_env("SMTP_HOST", required=False, plain=True, default="smtp.gmail.com:587")
    """Mail server as `host:port`, Gmail's by default. Port 465 uses TLS from the start, any other port STARTTLS."""
    smtp_username: MailUser | None = from_env("SMTP_USERNAME", required=False, plain=True)
    """User name of the mail account; needed for mails."""
    smtp_password: Secret | None = from_env("SMTP_PASSWORD", required=False)
    """Password of the mail account; needed for mails. Gmail wants an App Password."""
    smtp_from: Address | None = from_env("SMTP_FROM", required=False, plain=True)
    """Sender address of the mails; `SMTP_USERNAME` by default."""
    alert_email: Addresses | None = from_env("ALERT_EMAIL", required=False, plain=True)
    """Recipients, separated by commas; needed for mails."""
    alert_email_critical: Addresses | None = from_env("ALERT_EMAIL_CRITICAL", required=False, plain=True)
    """Recipients of critical alerts, separated by commas; `ALERT_EMAIL` by default."""
    heartbeat_url: SecretWebAddress | None = from_env("HEARTBEAT_URL", required=False)
    """URL that Alertmanager calls as long as alerting works, of a service that raises the alarm when calls stop."""
