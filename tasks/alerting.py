"""Rules that are evaluated by Prometheus or by Mimir's ruler: their thresholds, their files, who checks them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

from pydantic import Field

from lgtm.checks import Check, rules
from lgtm.component import ConfigFile, Validator
from lgtm.errors import combined
from lgtm.render import render
from lgtm.settings import Duration, Many, Settings
from lgtm.site import Site

from . import pipeline
from .scraping import jobs

if TYPE_CHECKING:
    from .mimir import MimirSettings
    from .prometheus import PrometheusSettings

TEMPLATES = str(Path(__file__).with_name("prometheus.py"))  # the templates are its own
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


# The first must be below the second, or one of two alerts could never fire.
ORDERED = (
    ("api_latency_high", "api_latency_critical"),
    ("mimir_series_high", "mimir_series_critical"),
    ("disk_free_critical", "disk_free_low"),
    ("certificate_days_critical", "certificate_days_low"),
)


def rule_files(settings: PrometheusSettings, site: Site) -> tuple[ConfigFile, ...]:
    """Every rule file, whoever evaluates it: at most 20 rules a group, and no group name twice.

    Raises Refusal for thresholds that contradict each other.
    """
    _check(settings, site)
    needed = {
        "recording.yml": _gatewayz(settings) or {"mimir", "node_exporter"} & set(site.services),
        "gatewayz.yml": _gatewayz(settings),
        "stack.yml": True,
    }
    return tuple(
        ConfigFile(f"rules/{name}", _rendered(name, settings, site), "reload") for name, when in needed.items() if when
    )


def mimirs(settings: PrometheusSettings) -> tuple[str, ...]:
    """The paths of the rule files that Mimir's ruler evaluates instead of Prometheus."""
    return ("rules/gatewayz.yml",) if settings.rules_in_mimir else ()


def in_force(settings: PrometheusSettings, site: Site) -> Check:
    """Prometheus evaluates the rules that are its own, alerts and recordings alike."""
    files = [one for one in rule_files(settings, site) if one.path not in mimirs(settings)]
    return Check(
        "prometheus.rules", "Prometheus evaluates its rules", site.url("prometheus", "/api/v1/rules"),
        partial(rules, names=names(files)),
        "see /rules of Prometheus; journalctl -u lgtm-prometheus -g rule", patience=90, slow=True,
    )  # fmt: skip


def names(files: Iterable[ConfigFile]) -> set[str]:
    """The names of all the alerts and recordings in rule files."""
    return {name for one in files for name in re.findall(r"(?:alert|record): (\S+)", one.content)}


def validators(files: tuple[ConfigFile, ...]) -> tuple[Validator, ...]:
    """promtool's judgement of rule files; none where there are none."""
    paths = [f"{{etc}}/{one.path}" for one in files]
    command = ("{artifact}/promtool", "check", "rules", "--lint=all", "--lint-fatal", *paths)
    return (Validator(command),) if paths else ()


def _check(settings: PrometheusSettings, site: Site) -> None:
    where = site.here.name
    problems = [
        f"{where}: prometheus_{low} = {getattr(settings, low)} must be below prometheus_{high} = "
        f"{getattr(settings, high)}; change one of them"
        for low, high in ORDERED
        if getattr(settings, low) >= getattr(settings, high)
    ]
    if settings.rules_in_mimir and not site.the("mimir"):
        problems.append(f"{where}: prometheus_rules_in_mimir = True, but no host carries mimir; add it or unset this")
    if problems:
        raise combined(problems)


def _gatewayz(settings: PrometheusSettings) -> bool:
    return bool(settings.gatewayz_production_url or settings.gatewayz_staging_url)


def _rendered(name: str, settings: PrometheusSettings, site: Site) -> str:
    return render(
        TEMPLATES, f"rules/{name}",
        settings=settings, services=site.services, jobs=jobs(settings, site), gatewayz=_gatewayz(settings),
        counted=f"path!~{_quoted(settings.ignored_paths)}", remote=pipeline.REMOTE, series_max=_series_max(site),
        runbook=lambda alert: f'"{settings.runbook_base_url}#{alert.lower()}"',
    )  # fmt: skip


def _quoted(paths: tuple[str, ...]) -> str:
    """The paths as one regular expression, which PromQL anchors at both ends."""
    return '"' + "|".join(path.replace(".", "[.]") for path in paths) + '"'


def _series_max(site: Site) -> int:
    """Mimir's limit of active series as it is set; 0 = none."""
    node = site.the("mimir")
    return cast("MimirSettings", node.services["mimir"]).max_series if node else 0
