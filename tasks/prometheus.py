"""Prometheus: scrapes every service and GatewayZ, evaluates alert rules, forwards all samples to Mimir."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lgtm.checks import Check, ready
from lgtm.component import Artifact, Component, ConfigFile, Reload, SecretFile, Unit, Validator, Volume, etc
from lgtm.render import render
from lgtm.secrets import Secret, missing
from lgtm.settings import Bytes, Duration, Many, PortNumber, ServiceSettings, from_env
from lgtm.site import Site
from tasks import alerting, pipeline
from tasks.alerting import AlertingSettings
from tasks.scraping import Target, jobs

USES = ("*",)
DATA = "/data/prometheus"
BaseUrl = Annotated[str, Field(pattern=r"^https?://[^/\s]+$")]
LabelValue = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]


class PrometheusSettings(AlertingSettings, ServiceSettings):
    version: str = "3.13.3"
    http_port: PortNumber = 9090
    retention: Duration = "15d"  # how long samples are kept here; Mimir keeps them longer
    retention_size: Bytes | None = None  # bytes of samples kept here at most; None = unlimited
    cluster: LabelValue = "gatewayz-monitoring"  # label on every sample that leaves this Prometheus
    gatewayz_production_url: BaseUrl | None = "https://api.gatewayz.ai"  # scheme and host; None = not scraped
    gatewayz_staging_url: BaseUrl | None = "https://gatewayz-staging.up.railway.app"  # likewise
    staging_bearer_token: Secret | None = from_env("STAGING_BEARER_TOKEN", required=False)  # for that URL
    trace_share: Annotated[float, Field(ge=0, le=1)] = 0.1  # share of its own work that it sends to Tempo as traces
    extra_targets: Many[Annotated[Target, Field(strict=False)]] = ()  # targets of one's own


def component(settings: PrometheusSettings, site: Site) -> Component:
    if settings.gatewayz_staging_url and settings.staging_bearer_token is None:
        raise missing(site.here.name, "prometheus", "STAGING_BEARER_TOKEN", site.environment)
    token = settings.staging_bearer_token if settings.gatewayz_staging_url else None
    elsewhere = alerting.mimirs(settings)
    rules = tuple(one for one in alerting.rule_files(settings, site) if one.path not in elsewhere)
    return Component(
        service="prometheus",
        artifact=Artifact("prometheus", settings.version),
        unit=Unit(
            command=_command(settings, site),
            memory_max=settings.memory_max,
            cpu_cores=settings.cpu_cores,
            start_timeout=600,  # replaying a large write-ahead log
            stop_timeout=120,
        ),
        ready=site.url("prometheus", "/-/ready"),
        ports=(site.port("prometheus"),),
        files=(_main(settings, site), *rules),
        volumes=(Volume(DATA),),
        secrets=(SecretFile("staging_bearer_token", token),) if token else (),
        validators=(
            Validator(("{artifact}/promtool", "check", "config", "--syntax-only", "{etc}/prometheus.yml")),
            *alerting.validators(rules),
        ),
        reload=Reload(
            site.url("prometheus", "/metrics"),
            "prometheus_config_last_reload_successful",
            "prometheus_config_last_reload_success_timestamp_seconds",
        ),
        drain=site.url("mimir", "/ready", site.the("mimir")) if site.the("mimir") else None,
        after=tuple(name for name in ("alertmanager", "mimir") if name in site.here.services),
        ready_timeout=settings.ready_timeout,
    )


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
        "--enable-feature=exemplar-storage",  # or exemplars are neither kept nor sent to Mimir
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
        *pipeline.targets(every, site),
        alerting.in_force(settings, site),
        *pipeline.alertmanagers(site),
        *pipeline.remote_write(site),
        *pipeline.samples(every, settings.cluster, site),
    ]
