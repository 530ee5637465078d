"""Thresholds of the alerts. Shares are between 0 and 1; `…_for` is how long a condition lasts before the alert."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lgtm.task import Duration, Many, Settings

RUNBOOKS = "https://github.com/pyinfra-lgtm/pyinfra-lgtm/blob/main/docs/alerts.md"
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
UrlPath = Annotated[str, Field(pattern=r"^/[A-Za-z0-9_./-]*$")]


class AlertingSettings(Settings):
    """What each alert waits for."""

    # Recording rules stay with Prometheus: evaluated by both, their series would be in Mimir twice.
    rules_in_mimir: bool = False
    """Whether Mimir's ruler evaluates the alerts about GatewayZ. Alerts about the stack always stay with Prometheus,
    because a Mimir that is down cannot send them."""
    runbook_base_url: Annotated[str, Field(pattern=r"^https?://[^\s#]+$")] = RUNBOOKS
    """Address of the runbooks. Every alert links to it, with `#` and the name of the alert behind it."""

    # GatewayZ's API
    ignored_paths: Many[UrlPath] = ("/metrics", "/prometheus/data/metrics")
    """URL paths that do not count as traffic, such as those of the scrapes."""
    request_rate_low: Positive = 10.0
    """LowAPIRequestRate: requests per second below which the rate is low. It must have been higher an hour ago."""
    request_rate_low_for: Duration = "5m"
    """LowAPIRequestRate: how long the rate is low before the alert fires."""
    no_traffic_for: Duration = "5m"
    """NoTrafficDetected: how long there is no request before the alert fires."""
    api_error_share: Share = 0.1
    """HighAPIErrorRate: share of all requests that end in 4xx or 5xx."""
    api_errors_for: Duration = "3m"
    """HighAPIErrorRate: how long the share is exceeded before the alert fires."""
    api_latency_high: Positive = 2.0
    """HighAPILatency: seconds, 95th percentile."""
    api_latency_high_for: Duration = "5m"
    """HighAPILatency: how long the latency is exceeded before the alert fires."""
    api_latency_critical: Positive = 3.0
    """CriticalAPILatency: seconds, 95th percentile."""
    api_latency_critical_for: Duration = "2m"
    """CriticalAPILatency: how long the latency is exceeded before the alert fires."""
    api_latency_growth: Positive = 1.5
    """APILatencyDegrading: factor by which the latency is higher than an hour ago."""
    api_latency_growth_for: Duration = "10m"
    """APILatencyDegrading: how long the factor is exceeded before the alert fires."""
    api_error_growth: Positive = 2.0
    """APIErrorRateIncreasing: factor by which the share of errors is higher than an hour ago."""
    api_error_growth_floor: Share = 0.01
    """APIErrorRateIncreasing: share of errors up to which growth is ignored."""
    api_error_growth_for: Duration = "10m"
    """APIErrorRateIncreasing: how long the factor is exceeded before the alert fires."""

    # its models and providers
    model_latency_high: Positive = 5.0
    """HighModelInferenceLatency: seconds, 95th percentile."""
    model_latency_high_for: Duration = "5m"
    """HighModelInferenceLatency: how long the latency is exceeded before the alert fires."""
    model_error_share: Share = 0.15
    """ModelInferenceErrorSpike: share of all inferences that fail."""
    model_errors_for: Duration = "3m"
    """ModelInferenceErrorSpike: how long the share is exceeded before the alert fires."""
    model_health_low: Share = 0.2
    """LowModelHealthScore: share of inferences that succeed, below which the alert fires."""
    model_health_low_for: Duration = "5m"
    """LowModelHealthScore: how long the share is low before the alert fires."""
    provider_latency_high: Positive = 4.0
    """SlowProviderResponse: seconds, 95th percentile."""
    provider_latency_high_for: Duration = "5m"
    """SlowProviderResponse: how long the latency is exceeded before the alert fires."""
    provider_error_share: Share = 0.2
    """ProviderErrorSpike: share of the provider's inferences that fail."""
    provider_errors_for: Duration = "3m"
    """ProviderErrorSpike: how long the share is exceeded before the alert fires."""
    provider_health_low: Share = 0.2
    """LowProviderHealthScore: share of the provider's inferences that succeed, below which the alert fires."""
    provider_health_low_for: Duration = "5m"
    """LowProviderHealthScore: how long the share is low before the alert fires."""
    provider_silent_requests: Positive = 10.0
    """ProviderSilent: minimum requests expected in 5 minutes, from the share of the traffic that the provider had."""
    provider_silent_for: Duration = "5m"
    """ProviderSilent: how long the provider gets no request before the alert fires."""
    provider_silent_memory: Duration = "3h"
    """ProviderSilent: how far back a provider's share of the traffic is looked up. The alert ends after that long."""

    # the stack itself
    target_down_for: Duration = "5m"
    """TargetDown: how long a scrape target is down before the alert fires."""
    target_missing_for: Duration = "5m"
    """TargetMissing: how long a scrape job has fewer targets than configured before the alert fires."""
    restarts_max: int = Field(default=3, ge=1)
    """ServiceRestarting: starts of a service within 15 minutes, above which the alert fires."""
    reload_failed_for: Duration = "5m"
    """ConfigReloadFailed: how long the last reload has failed before the alert fires."""
    rules_failing_for: Duration = "5m"
    """PrometheusRuleFailing: how long rules fail to evaluate before the alert fires."""
    remote_write_failed_share: Share = 0.01
    """RemoteWriteFailing: share of the samples sent that Mimir refuses."""
    remote_write_failing_for: Duration = "5m"
    """RemoteWriteFailing: how long the share is exceeded before the alert fires."""
    remote_write_lag_max: Positive = 120.0
    """RemoteWriteBehind: seconds that Mimir is behind Prometheus."""
    remote_write_behind_for: Duration = "5m"
    """RemoteWriteBehind: how long the lag is exceeded before the alert fires."""
    mimir_series_high: Share = 0.8
    """MimirSeriesHigh: share of `mimir_max_series` in use, a warning."""
    mimir_series_critical: Share = 0.9
    """MimirSeriesCritical: share of `mimir_max_series` in use, critical."""
    mimir_series_for: Duration = "10m"
    """MimirSeriesHigh and MimirSeriesCritical: how long the share is exceeded before the alert fires."""
    mimir_discarding_for: Duration = "10m"
    """MimirDiscardingSamples: how long Mimir discards samples before the alert fires."""
    notification_failed_share: Share = 0.01
    """AlertmanagerNotDelivering and AlertmanagerUnreachable: share of the notifications of 15 minutes that fail."""
    notification_failing_for: Duration = "5m"
    """AlertmanagerNotDelivering and AlertmanagerUnreachable: how long the share is exceeded before the alert fires."""
    expect_logs: bool = True
    """Whether somebody sends logs. False removes the alert LokiSilent."""
    logs_silent_for: Duration = "15m"
    """LokiSilent: how long Loki receives no logs before the alert fires."""
    expect_traces: bool = True
    """Whether somebody sends traces. False removes the alert TempoSilent."""
    traces_silent_for: Duration = "15m"
    """TempoSilent: how long Tempo receives no traces before the alert fires."""
    redis_down_for: Duration = "5m"
    """RedisDown: how long Redis does not answer before the alert fires."""

    # its hosts
    disk_free_low: Share = 0.15
    """DiskSpaceLow: free share of a file system, below which there is a warning."""
    disk_free_critical: Share = 0.05
    """DiskSpaceCritical: free share of a file system, below which the alert is critical."""
    disk_free_for: Duration = "5m"
    """DiskSpaceLow and DiskSpaceCritical: how long the share is low before the alert fires."""
    disk_days_left_low: Positive = 3.0
    """DiskFilling: days until a file system is full, at the rate of the last six hours."""
    disk_filling_below: Share = 0.5
    """DiskFilling: free share of a file system above which the rate is ignored."""
    disk_filling_for: Duration = "1h"
    """DiskFilling: how long the file system fills at that rate before the alert fires."""
    memory_free_low: Share = 0.05
    """MemoryLow: share of the host's memory that is available, below which the alert fires."""
    memory_low_for: Duration = "15m"
    """MemoryLow: how long the share is low before the alert fires."""
    clock_skew_seconds: Positive = 5.0
    """ClockSkew: seconds between the clock of a host and that of Prometheus."""
    clock_skew_for: Duration = "5m"
    """ClockSkew: how long the difference is exceeded before the alert fires."""
    drift_for: Duration = "15m"
    """HostDrifted: how long drift.py reports drift on a host before the alert fires."""
    expect_clock_sync: bool = True
    """Whether hosts synchronise their own clock. False, as for containers, removes the alert ClockNotSynchronised."""
    clock_unsynchronised_for: Duration = "15m"
    """ClockNotSynchronised: how long a clock is not synchronised before the alert fires."""

    # certificates: of every HTTPS target, and of the mail server
    certificate_days_low: Positive = 14.0
    """CertificateExpiring: days until a certificate expires, a warning."""
    certificate_days_critical: Positive = 3.0
    """CertificateExpiryCritical: days until a certificate expires, critical."""
    certificate_memory: Duration = "7d"
    """How long the expiry date of a certificate is remembered after it can no longer be read."""
    certificate_unread_for: Duration = "30m"
    """CertificateNotRead: how long a certificate cannot be read before the alert fires."""
