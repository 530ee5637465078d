"""Prometheus: scrapes every service and GatewayZ, evaluates alert rules, sends all samples to Mimir."""

from __future__ import annotations

import re
from urllib.parse import quote

from lgtm.task import (
    Answer,
    Artifact,
    Bad,
    Check,
    Component,
    ConfigFile,
    Plot,
    Reload,
    SecretFile,
    Site,
    Unit,
    Validator,
    Volume,
    body_of,
    data_of,
    etc,
    missing,
    ready,
    render,
)

from ..shared import disk, inforce
from . import pipeline, rules
from .scraping import Job, jobs
from .settings import PrometheusSettings

USES = ("*",)
DATA = "/data/prometheus"
SAMPLE_LINE = re.compile(r"^[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{.*\})? [-+0-9.eENaIinf]+", re.MULTILINE)
DISKS = 'fstype!~"tmpfs|squashfs|overlay|ramfs"'


def component(settings: PrometheusSettings, site: Site) -> Component:
    if settings.gatewayz_staging_url and settings.staging_bearer_token is None:
        raise missing(site.here.name, "prometheus", "STAGING_BEARER_TOKEN", site.environment)
    token = settings.staging_bearer_token if settings.gatewayz_staging_url else None
    elsewhere = rules.mimirs(settings)
    files = tuple(one for one in rules.rule_files(settings, site) if one.path not in elsewhere)
    return Component(
        service="prometheus",
        artifact=Artifact("prometheus", settings.version),
        unit=Unit(
            command=_command(settings, site),
            start_timeout=600,  # replaying a large write-ahead log
        ),
        ready=site.url("prometheus", "/-/ready"),
        ports=(site.port("prometheus"),),
        files=(_main(settings, site), *files),
        volumes=(Volume(DATA, expects=_expected(settings)),),
        secrets=(SecretFile("staging_bearer_token", token),) if token else (),
        validators=(
            Validator(("{artifact}/promtool", "check", "config", "--syntax-only", "{etc}/prometheus.yml")),
            *rules.validators(files),
        ),
        reload=Reload.named(site.url("prometheus", "/metrics"), "prometheus_config_last_reload"),
        drain=site.url("mimir", "/ready", site.the("mimir")) if site.the("mimir") else None,
        after=tuple(name for name in ("alertmanager", "mimir", "tempo") if name in site.here.services),
    )


def _expected(settings: PrometheusSettings) -> int:
    """Bytes on disk after the retention."""
    return settings.retention_size or disk.stored(settings.series_expected, settings.retention)


def _command(settings: PrometheusSettings, site: Site) -> tuple[str, ...]:
    size = (f"--storage.tsdb.retention.size={settings.retention_size}B",) if settings.retention_size else ()
    return (
        "{artifact}/prometheus",
        f"--config.file={etc('prometheus', 'prometheus.yml')}",
        f"--storage.tsdb.path={DATA}",
        f"--storage.tsdb.retention.time={settings.retention}",
        *size,
        f"--web.listen-address={site.target('prometheus')}",
        f"--log.level={settings.log_level}",
        "--enable-feature=exemplar-storage",  # without it, exemplars are neither kept nor sent to Mimir
    )


def _main(settings: PrometheusSettings, site: Site) -> ConfigFile:
    mimir = site.the("mimir")
    push = site.url("mimir", "/api/v1/push", mimir) if mimir else None
    alertmanagers = [site.target("alertmanager", node=node) for node in site.carrying("alertmanager")]
    tempo = site.the("tempo")
    labels = {"cluster": settings.cluster, "environment": site.environment}
    main = render(
        __file__, "prometheus.yml",
        jobs=jobs(settings, site), labels=labels, alertmanagers=alertmanagers, push=push, remote=pipeline.REMOTE,
        traces=site.target("tempo", "otlp_grpc", tempo) if tempo else None, trace_share=settings.trace_share,
    )  # fmt: skip
    return ConfigFile("prometheus.yml", main, "reload")


def checks(settings: PrometheusSettings, site: Site) -> list[Check]:
    every = jobs(settings, site)
    return [
        ready("prometheus", site.url("prometheus", "/-/ready"), settings.ready_timeout),
        inforce.check(
            "prometheus",
            "Prometheus",
            site.url("prometheus", "/api/v1/status/config"),
            _main(settings, site).content,
            lambda answer: str(data_of(answer)["yaml"]),
        ),
        *pipeline.targets(every, site),
        *(_reachable(job) for job in every if job.gate == "world"),
        rules.in_force(settings, site),
        *pipeline.alertmanagers(site),
        *pipeline.remote_write(site),
        *pipeline.samples(every, settings.cluster, site),
    ]


def _reachable(job: Job) -> Check:
    """A target outside the site answers this host, and accepts the token if it needs one."""
    url, *others = (f"{job.scheme}://{endpoint.address}{job.path}" for endpoint in job.endpoints)
    return Check(
        id=f"prometheus.reach_{job.name}", title=f"{job.name} answers, and accepts the token" if job.credentials_file
        else f"{job.name} answers", url=url, judge=_answers,
        remedy="curl it from Prometheus' host; 401: check STAGING_BEARER_TOKEN",
        gate="world", preflight=True, slow=True,
        user="bearer" if job.credentials_file else "",
        secret="prometheus/staging_bearer_token" if job.credentials_file else "", also=tuple(others),
    )  # fmt: skip


def _answers(answer: Answer) -> str:
    if answer.status in (401, 403):
        raise Bad(f"HTTP {answer.status}: the token is not accepted")
    many = len(SAMPLE_LINE.findall(body_of(answer)))
    if not many:
        raise Bad(f"HTTP 200, but no metrics: {answer.body.strip()[:120]!r}")
    return f"{many} samples"


def plots(settings: PrometheusSettings, site: Site) -> list[Plot]:
    """The plots of a report, each of the last hour."""

    def plot(title: str, unit: str, query: str) -> Plot:
        return Plot(title, unit, site.url("prometheus", f"/api/v1/query_range?query={quote(query, safe='')}"))

    lag = (
        'max(prometheus_remote_storage_highest_timestamp_in_seconds{job="prometheus"}) - '
        f"min(prometheus_remote_storage_queue_highest_sent_timestamp_seconds{{{pipeline.QUEUE}}})"
    )
    return [
        plot("Samples ingested", "/s", "sum(rate(prometheus_tsdb_head_samples_appended_total[5m]))"),
        plot("Remote write lag", "s", lag),
        plot("Lowest free disk space", "B", f"min(node_filesystem_avail_bytes{{{DISKS}}})"),
    ]
