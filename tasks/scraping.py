"""What Prometheus scrapes, and from where: the site's services, GatewayZ, and targets of one's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import Field

from lgtm.checks import Gate
from lgtm.component import credential
from lgtm.errors import Refusal
from lgtm.settings import Duration, Many, Settings
from lgtm.site import Site

if TYPE_CHECKING:
    from tasks.prometheus import PrometheusSettings


class Target(Settings):
    """Targets of one's own: `prometheus_extra_targets = [{"job": "blog", "targets": ["192.0.2.7:80"]}]`."""

    job: str
    targets: Many[str]  # each host:port
    path: str = "/metrics"
    scheme: str = "http"  # or https
    interval: Duration = "15s"
    labels: dict[str, str] = Field(default_factory=dict)  # on every sample of these targets


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
