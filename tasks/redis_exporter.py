"""redis_exporter: metrics of the Redis that GatewayZ uses."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from pydantic import Field

from lgtm.task import (
    Answer,
    Artifact,
    Bad,
    Check,
    Component,
    PortNumber,
    Scrape,
    Secret,
    SecretFile,
    ServiceSettings,
    Site,
    Unit,
    as_json,
    credential,
    from_env,
    ready,
)

SCRAPE = Scrape("30s", "10s")
RedisUrl = Annotated[str, Field(pattern=r"^rediss?://[^@/\s]+(/[0-9]+)?$")]


class RedisExporterSettings(ServiceSettings):
    version: str = "1.87.0"
    http_port: PortNumber = 9121
    redis_url: RedisUrl
    """Address of Redis: `redis://host:port`, or `rediss://host:port` for TLS, without user and password."""
    redis_user: str | None = None
    """User of Redis' access control list (ACL); None = the default user."""
    redis_password: Secret | None = from_env("REDIS_PASSWORD", required=False)
    """Password of that Redis; leave it out if there is none."""


def component(settings: RedisExporterSettings, site: Site) -> Component:
    return Component(
        service="redis_exporter",
        artifact=Artifact("redis_exporter", settings.version),
        unit=Unit(_command(settings, site)),
        ready=site.url("redis_exporter", "/"),
        ports=(site.port("redis_exporter"),),
        secrets=_passwords(settings),
    )


def _command(settings: RedisExporterSettings, site: Site) -> tuple[str, ...]:
    user = (f"-redis.user={settings.redis_user}",) if settings.redis_user else ()
    password = (f"-redis.password-file={credential('redis_exporter', 'passwords')}",)
    return (
        "{artifact}/redis_exporter",
        f"-redis.addr={settings.redis_url}",
        *user,
        *(password if settings.redis_password else ()),
        f"-web.listen-address={site.target('redis_exporter')}",
        f"-log-level={settings.log_level.upper()}",
    )


def _passwords(settings: RedisExporterSettings) -> tuple[SecretFile, ...]:
    """The password file: the exporter finds a password by the address that it connects to, with the user in it."""
    if not settings.redis_password:
        return ()
    user = f"{quote(settings.redis_user, safe='')}@" if settings.redis_user else ""
    dialled = settings.redis_url.replace("://", f"://{user}", 1)
    return (SecretFile("passwords", as_json({dialled: settings.redis_password})),)


def checks(settings: RedisExporterSettings, site: Site) -> list[Check]:
    return [
        ready("redis_exporter", site.url("redis_exporter", "/"), settings.ready_timeout),
        Check(
            id="redis_exporter.redis",
            title=f"Redis at {settings.redis_url} answers",
            url=site.url("redis_exporter", "/metrics"),
            judge=_redis,
            remedy="journalctl -u lgtm-redis_exporter -n 20; NOAUTH or WRONGPASS: check REDIS_PASSWORD and redis_user",
            gate="world",
        ),
        _ping(settings),
    ]


def _ping(settings: RedisExporterSettings) -> Check:
    """A ping of Redis from this host; with TLS only that the port answers."""
    return Check(
        id="redis_exporter.reach",
        title=f"Redis at {settings.redis_url} can be reached",
        url=settings.redis_url,
        judge=_pong,
        remedy="check the address and the firewall on redis_exporter's host; NOAUTH, WRONGPASS: check REDIS_PASSWORD",
        gate="world",
        slow=True,
        preflight=True,
        user=settings.redis_user or "",
        value=settings.redis_password,
    )


def _pong(answer: Answer) -> str:
    if answer.status != 200:
        raise Bad(answer.body.strip() or f"HTTP {answer.status}")
    replies = answer.body.split("\r\n")
    if errors := [line for line in replies if line.startswith("-")]:
        raise Bad(errors[0][1:])
    if answer.body.strip() and "+PONG" not in replies:
        raise Bad(f"not the answer of a Redis: {answer.body[:120]!r}")
    return "PONG" if answer.body else "it answers"  # with TLS no command is sent


def _redis(answer: Answer) -> str:
    if "redis_up 1" not in answer.body.splitlines():
        raise Bad(f"HTTP {answer.status}, redis_up is not 1")
    return "redis_up 1"
