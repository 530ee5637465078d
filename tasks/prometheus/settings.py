"""Settings of Prometheus, with those of its alerts and of additional scrape targets."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lgtm.task import Bytes, Duration, Many, PortNumber, Secret, ServiceSettings, Settings, from_env

from .alerting import AlertingSettings, Share

BaseUrl = Annotated[str, Field(pattern=r"^https?://[^/\s]+$")]
LabelValue = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]


class Target(Settings):
    """A scrape job of your own: `prometheus_extra_targets = [{"job": "blog", "targets": ["192.0.2.7:80"]}]`."""

    job: str
    """Name of the job, and value of the label `job`."""
    targets: Many[str]
    """Addresses to scrape, each `host:port`."""
    path: str = "/metrics"
    """URL path of the metrics."""
    scheme: str = "http"
    """`http` or `https`."""
    interval: Duration = "15s"
    """Time between two scrapes."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels on every sample of these targets."""


class PrometheusSettings(AlertingSettings, ServiceSettings):
    version: str = "3.13.3"
    http_port: PortNumber = 9090
    stop_timeout: int = 120
    retention: Duration = "15d"
    """How long samples are kept in Prometheus. Mimir keeps them longer."""
    retention_size: Bytes | None = None
    """Maximum bytes of samples kept in Prometheus; None = unlimited."""
    series_expected: int = 20_000
    """Active series, to estimate the disk space that is needed."""
    cluster: LabelValue = "gatewayz-monitoring"
    """Value of the label `cluster` on every sample and alert that leaves this Prometheus."""
    gatewayz_production_url: BaseUrl | None = "https://api.gatewayz.ai"
    """Scheme and host of GatewayZ's production API; None = not scraped."""
    gatewayz_staging_url: BaseUrl | None = "https://gatewayz-staging.up.railway.app"
    """Scheme and host of GatewayZ's staging API; None = not scraped."""
    staging_bearer_token: Secret | None = from_env("STAGING_BEARER_TOKEN", required=False)
    """Bearer token for scrapes of `prometheus_gatewayz_staging_url`; needed while that is set."""
    trace_share: Share = 0.1
    """Share of its own requests that Prometheus sends to Tempo as traces, between 0 and 1."""
    extra_targets: Many[Annotated[Target, Field(strict=False)]] = ()
    """Scrape jobs of your own. Each has `job` and `targets`, and may have `path`, `scheme`, `interval` and `labels`."""
