"""Scrape jobs: the site's services, GatewayZ, additional targets, and certificates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lgtm.task import Gate, Refusal, Site, credential

from ..alertmanager import mail
from ..alertmanager.settings import AlertmanagerSettings
from .settings import PrometheusSettings, Target

CERTIFICATES = "certificates"  # the job whose targets blackbox_exporter probes


@dataclass(frozen=True)
class Endpoint:
    """One `host:port` to scrape, its constant labels, and the query parameters of its URL."""

    address: str
    labels: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def instance(self) -> str:
        """Value of the label `instance` of its samples."""
        return self.labels.get("instance", self.address)

    @property
    def target_labels(self) -> dict[str, str]:
        """The labels in prometheus.yml. Prometheus turns those that begin with `__param_` into query parameters."""
        return {**self.labels, **{f"__param_{name}": value for name, value in self.params.items()}}


@dataclass(frozen=True)
class Job:
    """A scrape job; durations as Prometheus writes them. `gate`: whose failure it is if a target is down."""

    name: str
    endpoints: tuple[Endpoint, ...]
    interval: str
    timeout: str | None  # None = 10s, or the interval where that is shorter
    path: str = "/metrics"
    scheme: str = "http"
    credentials_file: str | None = None
    gate: Gate = "peer"


def jobs(settings: PrometheusSettings, site: Site) -> tuple[Job, ...]:
    """Every scrape job: one for each service of the site, GatewayZ's, the additional ones, and all certificates.

    Raises Refusal when two have the same name.
    """
    scraped = (*_own(site), *_gatewayz(settings), *(_extra(target) for target in settings.extra_targets))
    every = (*scraped, *_certificates(scraped, site))
    for name, count in Counter(job.name for job in every).items():
        if count > 1:
            raise Refusal(
                f"{site.here.name}: prometheus_extra_targets: job {name!r} is there {count} times; "
                "put all targets of a job into one entry, under a name that is not taken"
            )
    return every


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
    scraped = []
    for env, url, file in (
        ("production", settings.gatewayz_production_url, None),
        ("staging", settings.gatewayz_staging_url, token),
    ):
        if url:
            at, labels = urlsplit(url), {"env": env}
            endpoint = Endpoint(at.netloc, labels)
            data = Endpoint(at.netloc, labels | {"source": "prometheus_data"})
            path = "/prometheus/data/metrics"
            scraped += [
                Job(f"gatewayz_{env}", (endpoint,), "15s", "10s", "/metrics", at.scheme, file, "world"),
                Job(f"gatewayz_data_metrics_{env}", (data,), "30s", "15s", path, at.scheme, file, "world"),
            ]
    return scraped


def _extra(target: Target) -> Job:
    endpoints = tuple(Endpoint(address, target.labels) for address in target.targets)
    return Job(target.job, endpoints, target.interval, None, target.path, target.scheme, gate="world")


def _certificates(scraped: Iterable[Job], site: Site) -> list[Job]:
    """One job for all certificates that the site depends on; none without blackbox_exporter or certificates."""
    node = site.the("blackbox_exporter")
    if node is None:
        return []
    address = site.target("blackbox_exporter", node=node)
    probed: dict[str, Endpoint] = {}
    for at, module, labels in (*_https(scraped), *_mail_servers(site)):
        params = {"module": module, "target": at}
        probed.setdefault(at, Endpoint(address, {"instance": at, **labels}, params))
    # The exporter answers a probe even if the probe fails. So a target that is down is the exporter's own failure.
    return [Job(CERTIFICATES, tuple(probed.values()), "1m", "15s", "/probe")] if probed else []


def _https(scraped: Iterable[Job]) -> Iterator[tuple[str, str, dict[str, str]]]:
    for job in scraped:
        for endpoint in job.endpoints if job.scheme == "https" else ():
            port = "" if urlsplit(f"//{endpoint.address}").port else ":443"
            labels = {name: value for name, value in endpoint.labels.items() if name == "env"}
            yield f"{endpoint.address}{port}", "tls", labels


def _mail_servers(site: Site) -> Iterator[tuple[str, str, dict[str, str]]]:
    """The mail servers of Alertmanager, unless it sends mail without TLS."""
    for _, settings in site.settings_of(AlertmanagerSettings):
        if settings.mail:
            at = settings.smtp_host
            if mail.starttls(at):
                yield at, "smtp_starttls", {}
            elif at.endswith(f":{mail.IMPLICIT_TLS}"):
                yield at, "tls", {}
