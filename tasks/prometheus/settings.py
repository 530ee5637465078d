"""What can be set of Prometheus: its own settings, the thresholds of alerts, targets of one's own."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lgtm.task import Bytes, Duration, Many, PortNumber, Secret, ServiceSettings, Settings, from_env

RUNBOOKS = "https://github.com/pyinfra-lgtm/pyinfra-lgtm/blob/main/docs/alerts.md"
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
UrlPath = Annotated[str, Field(pattern=r"^/[A-Za-z0-9_./-]*$")]


class AlertingSettings(Settings):
    """What an alert waits for. Shares lie between 0 and 1; `…_for` is how long it must last."""

    # Mimir's ruler evaluates the alerts about GatewayZ. What watches the stack stays with Prometheus: a Mimir that is
    # down could not say so; and so do the recording rules, which would be in Mimir twice.
    rules_in_mimir: bool = False
    runbook_base_url: Annotated[str, Field(pattern=r"^https?://[^\s#]+$")] = RUNBOOKS  # + #alert, on every alert

    # GatewayZ's API
    ignored_paths: Many[UrlPath] = ("/metrics", "/prometheus/data/metrics")  # our own scrapes: no traffic
    request_rate_low: Positive = 10.0  # requests/s, that were there one hour ago
    request_rate_low_for: Duration = "5m"
    no_traffic_for: Duration = "5m"
    api_error_share: Share = 0.1  # of all requests, 4xx and 5xx
    api_errors_for: Duration = "3m"
    api_latency_high: Positive = 2.0  # seconds, 95th percentile
    api_latency_high_for: Duration = "5m"
    api_latency_critical: Positive = 3.0  # seconds, 95th percentile
    api_latency_critical_for: Duration = "2m"
    api_latency_growth: Positive = 1.5  # times as slow as one hour ago
    api_latency_growth_for: Duration = "10m"
    api_error_growth: Positive = 2.0  # times the share of one hour ago
    api_error_growth_floor: Share = 0.01  # a share up to which growth is of no interest
    api_error_growth_for: Duration = "10m"

    # its models and providers
    model_latency_high: Positive = 5.0  # seconds, 95th percentile
    model_latency_high_for: Duration = "5m"
    model_error_share: Share = 0.15  # of all inferences
    model_errors_for: Duration = "3m"
    model_health_low: Share = 0.2  # share of inferences that succeed
    model_health_low_for: Duration = "5m"
    provider_latency_high: Positive = 4.0  # seconds, 95th percentile
    provider_latency_high_for: Duration = "5m"
    provider_error_share: Share = 0.2  # of the provider's inferences
    provider_errors_for: Duration = "3m"
    provider_health_low: Share = 0.2  # share of the provider's inferences that succeed
    provider_health_low_for: Duration = "5m"
    provider_silent_requests: Positive = 10.0  # so many are expected in 5 minutes, by its share of the traffic
    provider_silent_for: Duration = "5m"
    provider_silent_memory: Duration = "3h"  # how far its share looks back; a silence this long is forgotten

    # the stack itself
    target_down_for: Duration = "5m"  # how long a target must be down
    target_missing_for: Duration = "5m"  # how long a job must have fewer targets than it should
    restarts_max: int = Field(default=3, ge=1)  # starts of a service within 15 minutes
    reload_failed_for: Duration = "5m"
    rules_failing_for: Duration = "5m"
    remote_write_failed_share: Share = 0.01  # of the samples sent, that Mimir refuses
    remote_write_failing_for: Duration = "5m"
    remote_write_lag_max: Positive = 120.0  # seconds that Mimir may be behind
    remote_write_behind_for: Duration = "5m"
    mimir_series_high: Share = 0.8  # of Mimir's limit: a warning
    mimir_series_critical: Share = 0.9  # of Mimir's limit
    mimir_series_for: Duration = "10m"
    mimir_discarding_for: Duration = "10m"
    notification_failed_share: Share = 0.01  # of the mails and calls of 15 minutes
    notification_failing_for: Duration = "5m"
    expect_logs: bool = True  # False: nobody sends logs, so their absence is no alert
    logs_silent_for: Duration = "15m"
    expect_traces: bool = True  # False: nobody sends traces, so their absence is no alert
    traces_silent_for: Duration = "15m"
    redis_down_for: Duration = "5m"

    # its hosts
    disk_free_low: Share = 0.15  # of a file system: a warning
    disk_free_critical: Share = 0.05  # of a file system
    disk_free_for: Duration = "5m"
    disk_days_left_low: Positive = 3.0  # days until full, at the pace of the last six hours
    disk_filling_below: Share = 0.5  # free share above which the pace is of no interest
    disk_filling_for: Duration = "1h"
    memory_free_low: Share = 0.05  # of the host's memory
    memory_low_for: Duration = "15m"
    clock_skew_seconds: Positive = 5.0  # between a host's clock and Prometheus'
    clock_skew_for: Duration = "5m"
    drift_for: Duration = "15m"  # how long a host must be other than declared, by the word of drift.py
    expect_clock_sync: bool = True  # False: the clock is not the host's own to keep, as in a container
    clock_unsynchronised_for: Duration = "15m"

    # certificates, of whatever is asked by https, and of the mail server
    certificate_days_low: Positive = 14.0  # days that one is still valid: a warning
    certificate_days_critical: Positive = 3.0  # likewise
    certificate_memory: Duration = "7d"  # how long it is known of one that can no longer be read, having expired
    certificate_unread_for: Duration = "30m"


class Target(Settings):
    """Targets of one's own: `prometheus_extra_targets = [{"job": "blog", "targets": ["192.0.2.7:80"]}]`."""

    job: str
    targets: Many[str]  # each host:port
    path: str = "/metrics"
    scheme: str = "http"  # or https
    interval: Duration = "15s"
    labels: dict[str, str] = Field(default_factory=dict)  # on every sample of these targets


BaseUrl = Annotated[str, Field(pattern=r"^https?://[^/\s]+$")]
LabelValue = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]


class PrometheusSettings(AlertingSettings, ServiceSettings):
    version: str = "3.13.3"
    http_port: PortNumber = 9090
    retention: Duration = "15d"  # how long samples are kept here; Mimir keeps them longer
    retention_size: Bytes | None = None  # bytes of samples kept here at most; None = unlimited
    series_expected: int = 20_000  # active series, for the estimate of the disk that is needed
    cluster: LabelValue = "gatewayz-monitoring"  # label on every sample that leaves this Prometheus
    gatewayz_production_url: BaseUrl | None = "https://api.gatewayz.ai"  # scheme and host; None = not scraped
    gatewayz_staging_url: BaseUrl | None = "https://gatewayz-staging.up.railway.app"  # likewise
    staging_bearer_token: Secret | None = from_env("STAGING_BEARER_TOKEN", required=False)  # for that URL
    trace_share: Annotated[float, Field(ge=0, le=1)] = 0.1  # share of its own work that it sends to Tempo as traces
    extra_targets: Many[Annotated[Target, Field(strict=False)]] = ()  # targets of one's own
