"""Grafana: dashboards. Data sources and dashboards are provisioned from files; Prometheus evaluates the alerts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, Field

from lgtm.task import (
    Adopted,
    Artifact,
    Check,
    Component,
    ConfigFile,
    Made,
    Many,
    PortNumber,
    Secret,
    SecretFile,
    ServiceSettings,
    Site,
    Unit,
    Volume,
    credential,
    etc,
    from_env,
    read,
    ready,
    render,
)

from . import answers, datasources, people, traceql
from .dashboards import models, queries_of, uids

USES = ("prometheus", "mimir", "loki", "tempo")
DATA = "/data/grafana"
HOME = "lgtm-gatewayz-overview"  # the start page
CONFIG = etc("grafana", "grafana.ini")
PASSWORD = "admin_password"
JOURNAL = "journalctl -u lgtm-grafana -n 200"
BACKUP = ("grafana.db", "grafana.db-wal", "grafana.db-shm", "secret_key", "last_version")
SHORTEST = 12  # characters of a password
DEFAULTS = ("admin", "grafana", "password")  # refused with digits and signs around them, too


def _password(value: Secret) -> Secret:
    word = value.reveal()
    if word != word.strip() or "\n" in word:
        raise ValueError("must not begin or end with a space, and must be one line")
    if len(word) < SHORTEST or re.sub(r"[^a-z]", "", word.lower()) in DEFAULTS:
        raise ValueError(f"must be {SHORTEST} characters or longer, and not a default such as Grafana's own")
    return value


class GrafanaSettings(ServiceSettings):
    version: str = "12.4.2"
    http_port: PortNumber = 3000
    admin_user: Annotated[str, Field(pattern=r"^[A-Za-z0-9._@-]+$")] = "admin"
    """Login of Grafana's administrator."""
    admin_password: Annotated[Secret, AfterValidator(_password)] = from_env("GRAFANA_ADMIN_PASSWORD")
    """Password of Grafana's administrator, 12 characters at least. It is set at every start of Grafana."""
    external_url: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?$")] | None = None
    """URL at which people reach Grafana. A reverse proxy must forward WebSockets, and strip the URL's path."""
    existing_sources: Many[Annotated[datasources.Existing, Field(strict=False)]] = ()
    """Data sources of an existing database with a name or uid of ours: see docs/from-docker-compose.md."""


def component(settings: GrafanaSettings, site: Site) -> Component:
    return Component(
        service="grafana",
        artifact=Artifact("grafana", settings.version),
        unit=Unit(
            command=("{artifact}/bin/grafana", "server", "--homepath", "{artifact}", "--config", CONFIG),
            before=(_prepare(settings),),
            relax={"MemoryDenyWriteExecute": None},
            reason="Grafana's own unit leaves MemoryDenyWriteExecute off, for plugins that compile as they run",
            start_timeout=1200,  # 20 minutes: backup and migration of a large database
        ),
        ready=site.url("grafana", "/api/health"),
        ports=(site.port("grafana"),),
        files=_files(settings, site),
        volumes=(Volume(DATA),),
        adopts=(*(f"{DATA}/{name}" for name in people.DATABASE), f"?{DATA}/{people.KEY}"),
        backup=tuple(f"{DATA}/{name}" for name in BACKUP),
        secrets=(SecretFile(PASSWORD, settings.admin_password),),
        after=tuple(name for name in USES if name in site.here.services),
    )


def _prepare(settings: GrafanaSettings) -> tuple[str, ...]:
    script, secret = etc("grafana", "prepare.sh"), credential("grafana", PASSWORD)
    return ("/bin/sh", script, "{artifact}", settings.version, CONFIG, DATA, secret)


def _files(settings: GrafanaSettings, site: Site) -> tuple[ConfigFile, ...]:
    main = render(
        __file__, "grafana.ini",
        settings=settings, http=site.port("grafana"), data=DATA, password=credential("grafana", PASSWORD),
        provisioning=etc("grafana", "provisioning"), home=etc("grafana", f"dashboards/{HOME}.json"),
    )  # fmt: skip
    provider = datasources.provider(etc("grafana", "dashboards"))
    return (
        ConfigFile("grafana.ini", main),
        ConfigFile("prepare.sh", read(__file__, "prepare.sh"), "none"),
        ConfigFile("provisioning/datasources/datasources.yml", datasources.rendered(site, settings.existing_sources)),
        ConfigFile("provisioning/dashboards/dashboards.yml", provider),
        # Grafana logs an error for a folder that does not exist.
        *(ConfigFile(f"provisioning/{kind}/none.yml", "apiVersion: 1\n") for kind in ("alerting", "plugins")),
        # Grafana reads this folder again every 30 s, and follows the link `current` each time.
        *(ConfigFile(f"dashboards/{uid}.json", read(__file__, f"dashboards/{uid}.json"), "none") for uid in uids()),
    )


def checks(settings: GrafanaSettings, site: Site) -> list[Check]:
    health = site.url("grafana", "/api/health")
    inside = [
        *_delivered(datasources.addresses(site, settings.existing_sources), site),
        *_answering(site),
        *traceql.checks(site),
        *_queries(site),
    ]
    return [
        ready("grafana", health, settings.ready_timeout),
        Check(
            id="grafana.database", title="Grafana's database is healthy", url=health,
            judge=answers.database, remedy=f"{JOURNAL} -g database",
        ),
        Check(
            id="grafana.anonymous", title="Grafana requires a login", url=site.url("grafana", "/api/search"),
            judge=answers.refused,
            remedy="something overrides auth.anonymous of grafana.ini: systemctl cat lgtm-grafana",
        ),
        # All of them use the deployed password: Grafana locks an account after five failed logins.
        *(replace(one, user=settings.admin_user, secret=f"grafana/{PASSWORD}") for one in inside),
    ]  # fmt: skip


def made(settings: GrafanaSettings, site: Site) -> list[Made]:
    """What people create in Grafana, and must still be there after a change."""
    return people.made(site, settings.existing_sources, settings.admin_user, f"grafana/{PASSWORD}")


def adopted(settings: GrafanaSettings, site: Site, files: Mapping[str, bytes]) -> Adopted:
    """What happens to a database that exists before Grafana's first start, or after a failed one."""
    contents = {path.removeprefix(f"{DATA}/"): content for path, content in files.items()}
    return people.adopted(site, settings.existing_sources, uids(), contents)


def _delivered(sources: Mapping[str, str], site: Site) -> list[Check]:
    """The data sources and dashboards that Grafana shows to the administrator."""
    return [
        Check(
            id="grafana.login", title="Grafana accepts the administrator's password",
            url=site.url("grafana", "/api/org"), judge=answers.login,
            remedy="systemctl restart lgtm-grafana sets it again; five failed logins lock the account for five minutes",
        ),
        Check(
            id="grafana.datasources", title="Grafana has the deployed data sources",
            url=site.url("grafana", "/api/datasources"),
            judge=partial(answers.sources, wanted=sources), remedy=f"{JOURNAL} -g datasource",
        ),
        Check(
            id="grafana.dashboards", title="Grafana has the deployed dashboards",
            url=site.url("grafana", f"/api/search?type=dash-db&limit={people.LIMIT}"),
            judge=answers.dashboards, remedy=f"{JOURNAL} -g dashboard", patience=90,  # read every 30 s
        ),
    ]  # fmt: skip


def _answering(site: Site) -> list[Check]:
    """Grafana reaches each data source."""
    return [
        Check(
            id=f"grafana.asks_{service}", title=f"Grafana reaches {datasources.NAMES[service]}",
            url=site.url("grafana", datasources.question(service)),
            judge=answers.echo if service == "tempo" else answers.healthy,
            remedy=f"from Grafana's host: curl {site.url(service, node=site.the(service))}", gate="peer", patience=60,
        )
        for service in datasources.carried(site)
    ]  # fmt: skip


def _queries(site: Site) -> list[Check]:
    """All queries of each dashboard are accepted. Queries of a data source that the site lacks are left out."""
    carried = {datasources.uid(service) for service in datasources.carried(site)}
    checks = []
    for uid, model in models().items():
        urls = [site.url("grafana", query.path()) for query in queries_of(model) if query.source in carried]
        if urls:
            checks.append(
                Check(
                    id=f"grafana.queries_{uid}", title=f"All queries of the dashboard {uid} are answered", url=urls[0],
                    judge=answers.answered, remedy="open the dashboard: the named panel shows the same error",
                    gate="peer", patience=60, slow=True, also=tuple(urls[1:]),
                )
            )  # fmt: skip
    return checks
