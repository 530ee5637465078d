"""Grafana Loki: stores log lines, with all its components in one process."""

from __future__ import annotations

import re
from datetime import date
from functools import partial
from itertools import pairwise
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import AfterValidator, Field

from lgtm.task import (
    LOOPBACK,
    Answer,
    Artifact,
    Bad,
    Bytes,
    Check,
    Component,
    ConfigFile,
    Duration,
    Many,
    Port,
    PortNumber,
    ServiceSettings,
    Settings,
    Site,
    Unit,
    Validator,
    Volume,
    data_of,
    etc,
    metric,
    read,
    ready,
    render,
    rules_loaded,
    seconds,
)

from .shared import canary, inforce, runtime

USES = ("mimir",)
DATA = "/data/loki"
RECORD = f"{DATA}/schema"  # the schema periods of the logs on this host
TENANT = "fake"  # Loki's name for its only tenant while authentication is off
RULES = f"rules/{TENANT}/logs.yml"
EPOCH = "2025-01-01"


def _day(value: str) -> str:
    try:
        if date.fromisoformat(value).isoformat() == value:
            return value
    except ValueError:
        pass
    raise ValueError('must be a day such as "2025-01-01"')


def _append_only(periods: tuple[Period, ...]) -> tuple[Period, ...]:
    if not periods or periods[0].start != EPOCH:
        raise ValueError(f"must begin with the period of {EPOCH}; add further periods after it")
    for earlier, later in pairwise(periods):
        if earlier.start >= later.start:
            raise ValueError(f"must be in order of start, but {later.start} comes after {earlier.start}")
    return periods


def _kept(value: str) -> str:
    if seconds(value) < 86400:
        raise ValueError("must be a day or longer: Loki deletes by the day")
    return value


class Period(Settings):
    """How logs are stored from a day on: `{"start": "2027-01-01", "version": "v13"}`. One that has begun is final."""

    start: Annotated[str, AfterValidator(_day)]
    """First day of the period, from 0:00 UTC. It must be in the future when the period is added."""
    store: Literal["tsdb"] = "tsdb"
    """Type of the index."""
    version: Annotated[str, Field(pattern=r"^v(1[3-9]|[2-9][0-9])$")] = "v13"
    """Version of the schema."""


class LokiSettings(ServiceSettings):
    version: str = "3.7.8"
    http_port: PortNumber = 3100
    grpc_port: PortNumber = 9096
    """TCP port for gRPC between Loki's components."""
    bytes_expected: Bytes = 200 * 2**20
    """Bytes on disk of one day of logs, to estimate the disk space that is needed."""
    retention: Annotated[Duration, AfterValidator(_kept)] = "30d"
    """How long log lines are kept and can be queried, a day at least."""
    ingestion_rate: int = 10
    """Maximum megabytes per second, on average."""
    ingestion_burst: int = 20
    """Maximum megabytes in one burst."""
    max_streams: int = 10_000
    """Maximum active streams. A stream is a combination of labels."""
    max_query_series: int = 2000
    """Maximum series in the result of a query."""
    max_query_lines: int = 5000
    """Maximum lines in the result of a query."""
    query_timeout: Duration = "1m"
    """Maximum run time of a query."""
    schema_periods: Annotated[Many[Annotated[Period, Field(strict=False)]], AfterValidator(_append_only)] = (
        Period(start=EPOCH),
    )
    """Schema of the stored logs, by day. Append only: a new period starts in the future, and a period that has begun
    is never changed. The host refuses anything else."""
    stop_timeout: int = 120


def component(settings: LokiSettings, site: Site) -> Component:
    return Component(
        service="loki",
        artifact=Artifact("loki", settings.version),
        unit=Unit(
            command=("{artifact}/loki", f"-config.file={etc('loki', 'loki.yml')}"),
            before=(("/bin/sh", etc("loki", "schema.sh"), "record", etc("loki", "schema"), RECORD),),
            relax={"RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX AF_NETLINK"},
            reason="it lists the host's network interfaces as it starts, and warns eleven times where it may not",
            start_timeout=600,  # replaying a large write-ahead log
        ),
        ready=site.url("loki", "/ready"),
        ports=(site.port("loki"), Port("grpc", settings.grpc_port, LOOPBACK)),
        files=_files(settings, site),
        volumes=(Volume(DATA, expects=int(settings.bytes_expected * seconds(settings.retention) / 86400)),),
        validators=(
            Validator(("{artifact}/loki", "-verify-config", "-config.file={etc}/loki.yml")),
            Validator(("/bin/sh", "{etc}/schema.sh", "check", "{etc}/schema", RECORD)),
        ),
        reload=runtime.reload("loki", "loki", site),
        after=tuple(name for name in USES if name in site.here.services),
    )


def _main(settings: LokiSettings, site: Site) -> str:
    mimir = site.the("mimir")
    return render(
        __file__, "loki.yml",
        settings=settings, http=site.port("loki"), own=LOOPBACK, data=DATA,
        runtime=etc("loki", "runtime.yaml"), rules=etc("loki", "rules"), labels={"environment": site.environment},
        push=site.url("mimir", "/api/v1/push", mimir) if mimir else None,
    )  # fmt: skip


def _files(settings: LokiSettings, site: Site) -> tuple[ConfigFile, ...]:
    return (
        ConfigFile("loki.yml", _main(settings, site)),
        ConfigFile("runtime.yaml", render(__file__, "runtime.yaml", settings=settings), "reload"),
        ConfigFile("schema", render(__file__, "schema", settings=settings)),
        ConfigFile("schema.sh", read(__file__, "schema.sh"), "none"),
        *((ConfigFile(RULES, read(__file__, "rules/logs.yml")),) if site.the("mimir") else ()),
    )


def checks(settings: LokiSettings, site: Site) -> list[Check]:
    journal = "journalctl -u lgtm-loki"
    return [
        ready("loki", site.url("loki", "/ready"), settings.ready_timeout),
        Check(
            id="loki.query", title="Loki answers queries", url=site.url("loki", "/loki/api/v1/labels"), judge=_labels,
            remedy=f"{journal} -n 50; usual cause: {DATA} is full or not readable",
        ),
        Check(
            id="loki.ingester", title="Loki accepts log lines", url=site.url("loki", "/metrics"), judge=_ingester,
            remedy=f"open /ring of Loki; {journal} -g ingester",
        ),
        runtime.check("loki", "Loki", "loki", site),
        inforce.check("loki", "Loki", site.url("loki", "/config"), _main(settings, site), inforce.body),
        canary.line(site),
        *_ruler(site),
        *_lines(site),
    ]  # fmt: skip


def _ruler(site: Site) -> list[Check]:
    """Loki evaluates the recording rules; no check without a Mimir to write to."""
    if not site.the("mimir"):
        return []
    names = set(re.findall(r"record: (\S+)", read(__file__, "rules/logs.yml")))
    return [
        Check(
            id="loki.rules", title="Loki evaluates its recording rules",
            url=site.url("loki", "/prometheus/api/v1/rules"), judge=partial(rules_loaded, names=names),
            remedy="journalctl -u lgtm-loki -g rule; one invalid expression disables its whole file",
            patience=90, slow=True,
        )
    ]  # fmt: skip


def _lines(site: Site) -> list[Check]:
    """The journals of the site's hosts arrive; no check without Alloy."""
    if not site.carrying("alloy"):
        return []
    query = quote('sum(count_over_time({job="journal"}[5m]))', safe="")
    return [
        Check(
            id="loki.lines", title="Log lines of the hosts' journals arrive in Loki",
            url=site.url("loki", f"/loki/api/v1/query?query={query}"), judge=_arrived,
            remedy="journalctl -u lgtm-alloy -n 50 on the hosts that ship logs", gate="peer", patience=60, slow=True,
        )
    ]  # fmt: skip


def _labels(answer: Answer) -> str:
    if answer.json().get("status") == "success" and "data" not in answer.json():
        return "no lines yet"  # an empty Loki omits `data`
    return f"{len(data_of(answer))} label names"


def _ingester(answer: Answer) -> str:
    active = metric(answer, "loki_ring_members", 'name="ingester"', 'state="ACTIVE"')
    if active != 1:
        raise Bad(f"{active:.0f} active ingesters instead of 1")
    return "1 active ingester"


def _arrived(answer: Answer) -> str:
    lines = sum(float(one["value"][1]) for one in data_of(answer)["result"])
    if not lines:
        raise Bad("no line in the last 5 minutes")
    return f"{lines:.0f} lines in the last 5 minutes"
