"""Prometheus: scrapes every service and GatewayZ, evaluates alert rules, forwards all samples to Mimir."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from pydantic import Field

from lgtm.checks import Answer, Bad, Check, Gate, ready, series
from lgtm.component import (
    Artifact,
    Component,
    ConfigFile,
    Reload,
    SecretFile,
    Unit,
    Validator,
    Volume,
    credential,
    etc,
)
from lgtm.errors import Refusal
from lgtm.render import render
from lgtm.secrets import Secret, missing
from lgtm.settings import Bytes, Duration, Many, PortNumber, ServiceSettings, Settings, from_env, seconds
from lgtm.site import Site

USES = ("*",)
DATA = "/data/prometheus"
REMOTE = "mimir-remote-write"
BaseUrl = Annotated[str, Field(pattern=r"^https?://[^/\s]+$")]
LabelValue = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]


class Target(Settings):
    """Targets of one's own: `prometheus_extra_targets = [{"job": "blog", "targets": ["192.0.2.7:80"]}]`."""

    job: str
    targets: Many[str]  # each host:port
    path: str = "/metrics"
    scheme: str = "http"  # or https
    interval: Duration = "15s"
    labels: dict[str, str] = Field(default_factory=dict)  # on every sample of these targets


class PrometheusSettings(ServiceSettings):
    version: str = "3.13.3"
    http_port: PortNumber = 9090
    retention: Duration = "15d"  # how long samples are kept here; Mimir keeps them longer
    retention_size: Bytes | None = None  # bytes of samples kept here at most; None = unlimited
    cluster: LabelValue = "gatewayz-monitoring"  # label on every sample that leaves this Prometheus
    gatewayz_production_url: BaseUrl | None = "https://api.gatewayz.ai"  # scheme and host; None = not scraped
    gatewayz_staging_url: BaseUrl | None = "https://gatewayz-staging.up.railway.app"  # likewise
    staging_bearer_token: Secret | None = from_env("STAGING_BEARER_TOKEN", required=False)  # for that URL
    extra_targets: Many[Annotated[Target, Field(strict=False)]] = ()  # targets of one's own
    target_down_for: Duration = "5m"  # how long a target must be down before it alerts
    remote_write_failed_share: float = 0.01  # share of samples that Mimir refuses before it alerts


@dataclass(frozen=True)
class Endpoint:
    """One `host:port` to scrape, and its constant labels."""

    address: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """A scrape job; durations as Prometheus writes them. `gate`: whose failure a target that is down is."""

    name: str
    endpoints: tuple[Endpoint, ...]
    interval: str
    timeout: str | None  # None = 10s, or the interval where that is shorter
    path: str = "/metrics"
    scheme: str = "http"
    credentials_file: str | None = None
    gate: Gate = "peer"


def jobs(settings: PrometheusSettings, site: Site) -> tuple[Job, ...]:
    """Every scrape job: one per service of the site, GatewayZ's, and those of one's own. Names are unique."""
    found = (*_own(site), *_gatewayz(settings), *(_extra(target) for target in settings.extra_targets))
    for name, count in Counter(job.name for job in found).items():
        if count > 1:
            raise Refusal(
                f"{site.here.name}: prometheus_extra_targets: job {name!r} is there {count} times; "
                "put all targets of a job in one entry, under a name that is not taken"
            )
    return found


def _own(site: Site) -> list[Job]:
    return [
        Job(name, _endpoints(name, site), site.scrapes[name].interval, site.scrapes[name].timeout)
        for name in site.services
    ]


def _endpoints(service: str, site: Site) -> tuple[Endpoint, ...]:
    return tuple(
        Endpoint(site.target(service, node=node), {"host": node.name, "component": service})
        for node in site.carrying(service)
    )


def _gatewayz(settings: PrometheusSettings) -> list[Job]:
    token = credential("prometheus", "staging_bearer_token")
    found = []
    for env, url, file in (
        ("production", settings.gatewayz_production_url, None),
        ("staging", settings.gatewayz_staging_url, token),
    ):
        if url:
            at, labels = urlsplit(url), {"env": env}
            endpoint = Endpoint(at.netloc, labels)
            data = Endpoint(at.netloc, labels | {"source": "prometheus_data"})
            path = "/prometheus/data/metrics"
            found += [
                Job(f"gatewayz_{env}", (endpoint,), "15s", "10s", "/metrics", at.scheme, file, "world"),
                Job(f"gatewayz_data_metrics_{env}", (data,), "30s", "15s", path, at.scheme, file, "world"),
            ]
    return found


def _extra(target: Target) -> Job:
    endpoints = tuple(Endpoint(address, target.labels) for address in target.targets)
    return Job(target.job, endpoints, target.interval, None, target.path, target.scheme, gate="world")


def component(settings: PrometheusSettings, site: Site) -> Component:
    if settings.gatewayz_staging_url and settings.staging_bearer_token is None:
        raise missing(site.here.name, "prometheus", "STAGING_BEARER_TOKEN", site.environment)
    token = settings.staging_bearer_token if settings.gatewayz_staging_url else None
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
        files=_files(settings, site),
        volumes=(Volume(DATA),),
        secrets=(SecretFile("staging_bearer_token", token),) if token else (),
        validators=(
            _promtool("config", "--syntax-only", "{etc}/prometheus.yml"),
            _promtool("rules", "--lint=all", "--lint-fatal", "{etc}/rules/stack.yml"),
        ),
        reload=Reload(
            site.url("prometheus", "/metrics"),
            "prometheus_config_last_reload_successful",
            "prometheus_config_last_reload_success_timestamp_seconds",
        ),
        after=tuple(name for name in ("alertmanager", "mimir") if name in site.here.services),
        ready_timeout=settings.ready_timeout,
    )


def _promtool(*words: str) -> Validator:
    return Validator(("{artifact}/promtool", "check", *words))


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
    )


def _files(settings: PrometheusSettings, site: Site) -> tuple[ConfigFile, ...]:
    mimir = site.the("mimir")
    push = site.url("mimir", "/api/v1/push", mimir) if mimir else None
    alertmanagers = [site.target("alertmanager", node=node) for node in site.carrying("alertmanager")]
    labels = {"cluster": settings.cluster, "environment": site.environment}
    main = render(
        __file__, "prometheus.yml",
        jobs=jobs(settings, site), labels=labels, alertmanagers=alertmanagers, push=push, remote=REMOTE,
    )  # fmt: skip
    stack = render(__file__, "rules/stack.yml", settings=settings, mimir=mimir, remote=REMOTE)
    return ConfigFile("prometheus.yml", main, "reload"), ConfigFile("rules/stack.yml", stack, "reload")


def checks(settings: PrometheusSettings, site: Site) -> list[Check]:
    every, managers = jobs(settings, site), len(site.carrying("alertmanager"))
    found = [ready("prometheus", site.url("prometheus", "/-/ready"), settings.ready_timeout)]
    found += _target_checks(every, site.url("prometheus", "/api/v1/targets?state=active"))
    if managers:
        found.append(
            Check(
                "prometheus.alertmanagers",
                "Prometheus knows its Alertmanager",
                site.url("prometheus", "/api/v1/alertmanagers"),
                lambda answer: _alertmanagers(answer, managers),
                "alerts reach nobody: see `alerting` in prometheus.yml, and whether the address answers",
                "peer",
                slow=True,
            )
        )
    if site.the("mimir"):
        found.append(
            Check(
                "prometheus.remote_write",
                "Mimir takes what Prometheus sends",
                site.url("prometheus", "/metrics"),
                _remote_write,
                "journalctl -u lgtm-prometheus -g remote shows what Mimir answers",
                "peer",
                patience=60,
            )
        )
        found += [check for job in every for check in _mimir_checks(job, settings, site)]
    return found


def _target_checks(every: tuple[Job, ...], url: str) -> list[Check]:
    def up(name: str, title: str, gate: Gate) -> Check:
        names = {job.name for job in every if job.gate == gate}
        remedy = "see /targets of Prometheus, or fetch the address named here from its host"
        return Check(name, title, url, lambda answer: _up(answer, names), remedy, gate, 60, slow=True)

    exact = "the configuration in force is not the deployed one: journalctl -u lgtm-prometheus -g config"
    title = "Prometheus scrapes what it should, and nothing else"
    found = [
        Check("prometheus.jobs", title, url, lambda answer: _jobs(answer, every), exact, slow=True),
        up("prometheus.targets", "The stack's own services can be scraped", "peer"),
    ]
    if any(job.gate == "world" for job in every):
        found.append(up("prometheus.world", "GatewayZ and targets of one's own can be scraped", "world"))
    return found


def _mimir_checks(job: Job, settings: PrometheusSettings, site: Site) -> list[Check]:
    """The job's samples, read back from Mimir: `up` is fresh and carries the external labels; and it is 1."""
    window = f"{int(2 * seconds(job.interval)) + 15}s"  # two scrapes, and the way to Mimir
    labels = f'job="{job.name}",environment="{site.environment}",cluster="{settings.cluster}"'
    query = quote(f"last_over_time(up{{{labels}}}[{window}])", safe="")
    url = site.url("mimir", f"/prometheus/api/v1/query?query={query}", site.the("mimir"))

    def check(what: str, title: str, ones: bool, gate: Gate) -> Check:
        remedy = (
            "down: see /targets of Prometheus; missing: see prometheus.jobs and prometheus.remote_write, "
            "and whether environment and cluster are among the external labels"
        )
        judge = partial(_in_mimir, many=len(job.endpoints), window=window, ones=ones)
        return Check(
            f"mimir.{what}.{job.name}", f"{job.name}: {title}", url, judge, remedy, gate, 90, slow=True
        )

    up = check("up", "up, says Mimir", True, job.gate)
    return [check("series", "in Mimir", False, "peer"), up] if job.gate == "world" else [up]


def _in_mimir(answer: Answer, many: int, window: str, ones: bool) -> str:
    found = series(answer)
    if len(found) != many:
        raise Bad(f"{len(found)} of {many} series with a sample in the last {window}")
    down = [one["metric"].get("instance", "?") for one in found if float(one["value"][1]) != 1]
    if down and ones:
        raise Bad(f"down: {', '.join(down)}")
    return f"{many} fresh"


def _listed(answer: Answer, key: str) -> list[dict[str, Any]]:
    """A list of Prometheus' API. Raises Bad for an error."""
    data = answer.json()
    if answer.status != 200 or data.get("status") != "success":
        raise Bad(f"HTTP {answer.status}: {data.get('error', answer.body[:200])}")
    found: list[dict[str, Any]] = data["data"][key]
    return found


def _jobs(answer: Answer, every: Iterable[Job]) -> str:
    found = Counter(target["labels"]["job"] for target in _listed(answer, "activeTargets"))
    wanted = Counter({job.name: len(job.endpoints) for job in every})
    if found != wanted:
        less, more = ", ".join(sorted(wanted - found)), ", ".join(sorted(found - wanted))
        raise Bad(f"missing: {less or 'none'}; not expected: {more or 'none'}")
    return f"{len(wanted)} jobs, {wanted.total()} targets"


def _up(answer: Answer, names: set[str]) -> str:
    targets = [target for target in _listed(answer, "activeTargets") if target["labels"]["job"] in names]
    down = [
        f"{target['scrapeUrl']}: {target['lastError'] or 'not scraped yet'}"
        for target in targets
        if target["health"] != "up"
    ]
    if down or not targets:
        raise Bad("; ".join(down) or "there is no target")
    return f"{len(targets)} up"


def _alertmanagers(answer: Answer, many: int) -> str:
    active = _listed(answer, "activeAlertmanagers")
    if len(active) != many:
        raise Bad(f"{len(active)} of {many} in use")
    return ", ".join(one["url"] for one in active)


def _remote_write(answer: Answer) -> str:
    """Judge by the queue's own counters, which start anew with it."""
    sent = _metric(answer, "prometheus_remote_storage_samples_total")
    failed = _metric(answer, "prometheus_remote_storage_samples_failed_total")
    if not _metric(answer, "prometheus_remote_storage_queue_highest_sent_timestamp_seconds"):
        raise Bad(f"Mimir has taken nothing yet; {failed:.0f} samples refused")
    if failed > 0.01 * sent:
        raise Bad(f"{failed:.0f} of {sent:.0f} samples refused")
    return f"{sent:.0f} samples sent, {failed:.0f} refused"


def _metric(answer: Answer, name: str) -> float:
    """The value of our queue's metric in the Prometheus text format. Raises Bad when there is none."""
    for line in answer.body.splitlines():
        if line.startswith(f"{name}{{") and f'remote_name="{REMOTE}"' in line:
            return float(line.split()[-1])
    raise Bad(f"HTTP {answer.status}, no {name}: there is no queue {REMOTE}")
