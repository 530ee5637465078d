"""What Prometheus scrapes, and from where: the site's services, GatewayZ, and targets of one's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lgtm.task import Gate, Refusal, Site, credential

from ..alertmanager import mail
from ..alertmanager.settings import AlertmanagerSettings
from .settings import PrometheusSettings, Target

CERTIFICATES = "certificates"  # the job in which blackbox_exporter looks at them


@dataclass(frozen=True)
class Endpoint:
    """One `host:port` to scrape, its constant labels, and what the query of its URL says."""

    address: str
    labels: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def instance(self) -> str:
        """What the label `instance` of its samples is."""
        return self.labels.get("instance", self.address)

    @property
    def told(self) -> dict[str, str]:
        """The labels as Prometheus is told them: it makes the query of those that begin with `__param_`."""
        return {**self.labels, **{f"__param_{name}": value for name, value in self.params.items()}}


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
    """Every scrape job: one per service of the site, GatewayZ's, those of one's own, and the certificates of all.

    Raises Refusal when two have the same name.
    """
    asked = (*_own(site), *_gatewayz(settings), *(_extra(target) for target in settings.extra_targets))
    found = (*asked, *_certificates(asked, site))
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


def _certificates(asked: Iterable[Job], site: Site) -> list[Job]:
    """One job for every certificate that the site relies on; none where nobody looks at them, or there is none."""
    node = site.the("blackbox_exporter")
    if node is None:
        return []
    address = site.target("blackbox_exporter", node=node)
    found: dict[str, Endpoint] = {}
    for at, module, labels in (*_https(asked), *_mail_servers(site)):
        params = {"module": module, "target": at}
        found.setdefault(at, Endpoint(address, {"instance": at, **labels}, params))
    # A target that is down is the exporter's own failure: it answers even if nobody answers it.
    return [Job(CERTIFICATES, tuple(found.values()), "1m", "15s", "/probe")] if found else []


def _https(asked: Iterable[Job]) -> Iterator[tuple[str, str, dict[str, str]]]:
    for job in asked:
        for endpoint in job.endpoints if job.scheme == "https" else ():
            port = "" if urlsplit(f"//{endpoint.address}").port else ":443"
            labels = {name: value for name, value in endpoint.labels.items() if name == "env"}
            yield f"{endpoint.address}{port}", "tls", labels


def _mail_servers(site: Site) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Where Alertmanager delivers mail, unless it does so in the clear."""
    for _, settings in site.settings_of(AlertmanagerSettings):
        if settings.mail:
            at = settings.smtp_host
            if mail.starttls(at):
                yield at, "smtp_starttls", {}
            elif at.endswith(f":{mail.IMPLICIT_TLS}"):
                yield at, "tls", {}
