"""What may happen to GatewayZ and to the stack, and which alerts that must raise: a table for promtool.

A situation is preceded by calm and followed by 25 minutes in which all is well again. GatewayZ's series are counted
by the fake backend's own traffic; those of the stack begin healthy and change while the situation lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from lab.scenarios import BACKEND, HEALTHY, Answers, Scenario
from lab.traffic import MODELS, PROVIDERS

ENVS = ("production", "staging")
STEP = 15  # seconds between two samples
LONG, SHORT, OVER = 75, 15, 25  # minutes of calm for what looks back one hour, and for the rest; minutes afterwards
ALWAYS = "Watchdog{}"

# What a series is at a time (seconds), given what it was one step before; None: there is no sample.
Course = Callable[[float, float], float | None]


def level(value: float) -> Course:
    return lambda _time, _before: value


def counter(per_second: float) -> Course:
    return lambda _time, before: before + per_second * STEP


def clock(shift: float = 0) -> Course:
    return lambda time, _before: time + shift


QUEUE = '{remote_name="mimir-remote-write"}'
REMOTE = "prometheus_remote_storage_"
SENT = f"{REMOTE}queue_highest_sent_timestamp_seconds{QUEUE}"
AVAIL = 'node_filesystem_avail_bytes{device="/dev/vda",fstype="ext4",mountpoint="/"}'
SERVICES: Mapping[str, Mapping[str, Course]] = {
    "prometheus": {
        "prometheus_config_last_reload_successful": level(1),
        "prometheus_notifications_alertmanagers_discovered": level(1),
        'prometheus_notifications_errors_total{alertmanager="a"}': level(0),
        'prometheus_notifications_sent_total{alertmanager="a"}': counter(0.02),
        'prometheus_rule_evaluation_failures_total{rule_group="stack"}': level(0),
        f"{REMOTE}samples_total{QUEUE}": counter(1000),
        f"{REMOTE}samples_failed_total{QUEUE}": level(0),
        f"{REMOTE}samples_retried_total{QUEUE}": level(0),
        f"{REMOTE}highest_timestamp_in_seconds": clock(),
        SENT: clock(-3),
    },
    "alertmanager": {
        "alertmanager_config_last_reload_successful": level(1),
        'alertmanager_notifications_total{integration="email"}': counter(0.01),
        'alertmanager_notifications_failed_total{integration="email",reason="other"}': level(0),
        'alertmanager_notifications_total{integration="webhook"}': level(0),
        'alertmanager_notifications_failed_total{integration="webhook",reason="other"}': level(0),
    },
    "mimir": {
        "cortex_runtime_config_last_reload_successful": level(1),
        "cortex_distributor_received_samples_total": counter(1000),
        "cortex_ingester_memory_series": level(100_000),
        'cortex_ingester_local_limits{limit="max_global_series_per_user",user="anonymous"}': level(500_000),
    },
    "loki": {
        "loki_runtime_config_last_reload_successful": level(1),
        'loki_distributor_lines_received_total{tenant="fake"}': counter(5),
    },
    "tempo": {
        "tempo_runtime_config_last_reload_successful": level(1),
        'tempo_distributor_spans_received_total{tenant="single-tenant"}': counter(5),
    },
    "grafana": {},
    "alloy": {"alloy_config_last_load_successful": level(1)},
    "redis_exporter": {"redis_up": level(1)},
    "blackbox_exporter": {"blackbox_exporter_config_last_reload_successful": level(1)},
    "node_exporter": {
        AVAIL: level(96e9),
        AVAIL.replace("avail", "size"): level(200e9),
        'node_filesystem_avail_bytes{mountpoint="/tmp",fstype="tmpfs"}': level(0),
        'node_filesystem_size_bytes{mountpoint="/tmp",fstype="tmpfs"}': level(1e9),
        "node_memory_MemAvailable_bytes": level(4e9),
        "node_memory_MemTotal_bytes": level(8e9),
        "node_time_seconds": clock(),
        "node_timex_sync_status": level(1),
        "node_timex_maxerror_seconds": level(0.1),
    },
}
DAY = 86400
ENDS = "probe_ssl_last_chain_expiry_timestamp_seconds"
PRODUCTION_AT, STAGING_AT, MAIL_AT = (
    f"certificates/{at}"
    for at in ("api.gatewayz.ai:443", "gatewayz-staging.up.railway.app:443", "mail.example.com:587")
)
HEALTH: Mapping[str, Course] = {
    f"{job} {metric}": course
    for job, metrics in SERVICES.items()
    for metric, course in {"up": level(1), "process_start_time_seconds": level(0), **metrics}.items()
} | {
    f"{place} {metric}": level(value)
    for place in (PRODUCTION_AT, STAGING_AT, MAIL_AT)
    for metric, value in {"up": 1, "probe_success": 1, ENDS: 60 * DAY}.items()
}


@dataclass(frozen=True)
class Situation:
    """What happens, and exactly which alerts it raises beside the Watchdog.

    `fires` do so until the situation is over, `passing` only for a part of it. `usual` is the backend's scenario
    before and after. `changes` are courses of the stack's series (`job metric`; None: there is none). `weights`
    multiply what a provider is asked for, throughout. `settings` are the operator's.
    """

    name: str
    fires: tuple[str, ...] = ()
    backend: Scenario = HEALTHY
    usual: Scenario = HEALTHY
    passing: tuple[str, ...] = ()
    envs: tuple[str, ...] = ENVS
    changes: Mapping[str, Course | None] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    calm: int = LONG
    minutes: int = 30
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def per_env(*alerts: str, envs: tuple[str, ...] = ENVS) -> tuple[str, ...]:
    return tuple(f'{alert}{{env="{env}"}}' for alert in alerts for env in envs)


def per_label(label: str, alert: str, values: tuple[str, ...], envs: tuple[str, ...] = ENVS) -> tuple[str, ...]:
    return tuple(f'{alert}{{env="{env}",{label}="{value}"}}' for value in values for env in envs)


of_providers = partial(per_label, "provider")
of_models = partial(per_label, "model")


def of_job(job: str, *alerts: str) -> tuple[str, ...]:
    return tuple(f'{alert}{{job="{job}"}}' for alert in alerts)


def gone(place: str) -> dict[str, Course | None]:
    return {key: None for key in HEALTH if key.startswith(f"{place} ")}


def down(place: str) -> dict[str, Course | None]:
    return {**gone(place), f"{place} up": level(0)}


def unread(place: str) -> dict[str, Course | None]:
    """A probe that fails says nothing of the certificate."""
    return {f"{place} probe_success": level(0), f"{place} {ENDS}": None}


def expires(place: str, minutes: float) -> dict[str, Course | None]:
    """A certificate that ends so many minutes after the calm; from then on it cannot be read."""
    end = (SHORT + minutes) * 60
    return {
        f"{place} {ENDS}": lambda time, _before: end if time < end else None,
        f"{place} probe_success": lambda time, _before: float(time < end),
    }


def failing(providers: tuple[str, ...]) -> tuple[str, ...]:
    return of_providers("ProviderErrorSpike", providers) + of_providers("LowProviderHealthScore", providers)


EVERYTHING_FAILS = per_env("HighAPIErrorRate", "ModelInferenceErrorSpike", "LowModelHealthScore") + failing(PROVIDERS)
PRODUCTION = ("gatewayz_production", "gatewayz_data_metrics_production")
DOWN = replace(HEALTHY, answers=Answers.NOT_AT_ALL)
FLOOD = 'gatewayz_production fastapi_requests_total{path="/v1/models",status_code="429"}'
SLOW_MODELS = tuple(one.model for one in MODELS if one.seconds >= 0.6)
ALONE = {name: 0.0 for name in PROVIDERS if name != "openai"}
TIMES_OUT: dict[str, Course | None] = {
    f"prometheus {REMOTE}samples_retried_total{QUEUE}": counter(990),
    f"prometheus {SENT}": level(SHORT * 60),
}

GATEWAYZ = (
    Situation("healthy"),
    Situation("zero traffic, the series are there", per_env("NoTrafficDetected"), BACKEND["zero_traffic"]),
    Situation(
        "zero traffic since a restart, no series", per_env("NoTrafficDetected"), Scenario("", volume=0, restarts=True)
    ),
    Situation(
        "zero traffic in one environment", per_env("NoTrafficDetected", envs=("staging",)), BACKEND["zero_traffic"],
        envs=("staging",),
    ),
    Situation("all requests fail", EVERYTHING_FAILS, BACKEND["all_errors"]),
    Situation("all requests fail since a restart", EVERYTHING_FAILS, BACKEND["all_errors_after_restart"]),
    Situation("the backend is down", tuple(f'TargetDown{{env="production",job="{job}"}}' for job in PRODUCTION), DOWN,
              envs=("production",), changes={f"{job} up": level(0) for job in PRODUCTION}),
    Situation("the backend's jobs are gone", tuple(f'TargetMissing{{job="{job}"}}' for job in PRODUCTION), DOWN,
              envs=("production",), changes={f"{job} up": None for job in PRODUCTION}),
    Situation("one provider fails", failing(("cerebras",)), BACKEND["provider_failing"]),
    Situation("one provider of most of the traffic fails", failing(("openrouter",)),
              Scenario("", failing_provider="openrouter"), weights={"openrouter": 3}),
    Situation("the only provider fails",
              per_env("ModelInferenceErrorSpike", "LowModelHealthScore") + failing(("openai",)),
              Scenario("", failing_provider="openai"), weights=ALONE),
    Situation("two thirds of everything fail",
              per_env("HighAPIErrorRate", "ModelInferenceErrorSpike") + of_providers("ProviderErrorSpike", PROVIDERS),
              Scenario("", failing=0.67)),
    Situation("one provider is silent", of_providers("ProviderSilent", ("cerebras",)), BACKEND["provider_silent"]),
    Situation("one provider is silent for so long that it is forgotten", backend=BACKEND["provider_silent"],
              passing=of_providers("ProviderSilent", ("cerebras",)),
              settings={"prometheus_provider_silent_memory": "20m"}),
    Situation("one provider is never asked", weights={"cerebras": 0}),
    Situation("one provider is asked every five minutes, another every twelve",
              weights={"cerebras": 1 / 720, "google-vertex": 1 / 1728}),
    Situation("a trickle, all good", backend=BACKEND["trickle"], usual=BACKEND["trickle"]),
    Situation("a counter reset", backend=BACKEND["counter_reset"]),
    Situation("traffic falls", per_env("LowAPIRequestRate"), Scenario("", volume=0.1)),
    Situation("a flood of client errors", per_env("HighAPIErrorRate", envs=("production",)),
              changes={FLOOD: counter(10)}),
    Situation("a few more errors", per_env("APIErrorRateIncreasing"), Scenario("", failing=0.05)),
    Situation("slow", per_env("CriticalAPILatency") + of_models("HighModelInferenceLatency", SLOW_MODELS)
              + of_providers("SlowProviderResponse", PROVIDERS), BACKEND["slow"]),
    Situation("slower than it should be", per_env("HighAPILatency"), Scenario("", slowness=1.8)),
    Situation("slower than an hour ago", per_env("APILatencyDegrading"), Scenario("", slowness=1.5),
              settings={"prometheus_api_latency_growth": 1.2}),
)  # fmt: skip
short = partial(Situation, calm=SHORT, weights=ALONE)  # one provider is what promtool plays in half the time
STACK = (
    short("remote write is refused", of_job("prometheus", "RemoteWriteFailing"),
              changes={f"prometheus {REMOTE}samples_failed_total{QUEUE}": counter(1000),
                       'mimir cortex_discarded_samples_total{reason="rate_limited"}': counter(1000)}),
    short("remote write is answered with a server error", of_job("prometheus", "RemoteWriteFailing"),
              changes=TIMES_OUT),
    short("remote write is behind", of_job("prometheus", "RemoteWriteBehind"),
              changes={f"prometheus {SENT}": clock(-200)}),
    short("remote write is behind, as 3.7 and later count it", of_job("prometheus", "RemoteWriteBehind"),
              changes={f"prometheus {SENT}": clock(-200),
                       f"prometheus {REMOTE}highest_timestamp_in_seconds": None,
                       f"prometheus {REMOTE}queue_highest_timestamp_seconds{QUEUE}": clock()}),
    short("remote write has sent nothing since a start", of_job("prometheus", "RemoteWriteBehind"),
              changes={f"prometheus {SENT}": level(0),
                       "prometheus process_start_time_seconds": level(SHORT * 60)}),
    short("remote write has sent nothing yet after a start", minutes=2,
              changes={f"prometheus {SENT}": level(0),
                       "prometheus process_start_time_seconds": level(SHORT * 60)}),
    short("Mimir is down", of_job("mimir", "TargetDown"), changes=down("mimir") | TIMES_OUT),
    short("Mimir is restarted", minutes=1, changes=down("mimir") | TIMES_OUT),
    short("Mimir comes near its limit", ("MimirSeriesHigh{}",),
              changes={"mimir cortex_ingester_memory_series": level(425_000)}),
    short("Mimir reaches its limit", ("MimirSeriesCritical{}",),
              changes={"mimir cortex_ingester_memory_series": level(499_000)}),
    short("Mimir does not say its limit, and reaches the deployed one", ("MimirSeriesCritical{}",),
              changes={"mimir cortex_ingester_memory_series": level(499_000),
                       'mimir cortex_ingester_local_limits{limit="max_global_series_per_user",user="anonymous"}': None}
              ),
    short("Mimir discards a few samples", ('MimirDiscardingSamples{reason="sample_out_of_order"}',),
              changes={'mimir cortex_discarded_samples_total{reason="sample_out_of_order"}': counter(1)}),
    short("Loki gets nothing", of_job("loki", "LokiSilent"),
              changes={'loki loki_distributor_lines_received_total{tenant="fake"}': counter(0)}),
    short("Loki has never got anything", of_job("loki", "LokiSilent"),
              changes={'loki loki_distributor_lines_received_total{tenant="fake"}': None}),
    short("Loki gets nothing, as expected", settings={"prometheus_expect_logs": False},
              changes={'loki loki_distributor_lines_received_total{tenant="fake"}': None}),
    short("Loki is down", of_job("loki", "TargetDown"), changes=down("loki")),
    short("Loki's job is gone", of_job("loki", "TargetMissing"), changes=gone("loki")),
    short("Tempo gets nothing", of_job("tempo", "TempoSilent"),
              changes={'tempo tempo_distributor_spans_received_total{tenant="single-tenant"}': counter(0)}),
    short("Tempo has never got anything", of_job("tempo", "TempoSilent"),
              changes={'tempo tempo_distributor_spans_received_total{tenant="single-tenant"}': None}),
    short("Tempo gets nothing, as expected", settings={"prometheus_expect_traces": False},
              changes={'tempo tempo_distributor_spans_received_total{tenant="single-tenant"}': None}),
    short("Grafana is down", of_job("grafana", "TargetDown"), changes=down("grafana")),
    short("Alertmanager is down", of_job("alertmanager", "TargetDown"),
              changes=down("alertmanager")
              | {'prometheus prometheus_notifications_errors_total{alertmanager="a"}': counter(0.02)}),
    short("Alertmanager's job is gone", of_job("alertmanager", "TargetMissing"), changes=gone("alertmanager")),
    short("Alertmanager refuses alerts", of_job("prometheus", "AlertmanagerUnreachable"),
              changes={'prometheus prometheus_notifications_errors_total{alertmanager="a"}': counter(0.02)}),
    short("no Alertmanager is known", of_job("prometheus", "AlertmanagerUnreachable"),
              changes={"prometheus prometheus_notifications_alertmanagers_discovered": level(0)}),
    short("mail does not get through", ('AlertmanagerNotDelivering{integration="email"}',),
              changes={'alertmanager alertmanager_notifications_failed_total{integration="email",reason="other"}':
                       counter(0.01)}),
    short("a rule cannot be evaluated", ('PrometheusRuleFailing{job="prometheus",rule_group="stack"}',),
              changes={'prometheus prometheus_rule_evaluation_failures_total{rule_group="stack"}': counter(1 / 30)}),
    *(short(f"{job} has refused its configuration", of_job(job, "ConfigReloadFailed"),
                changes={f"{job} {metric}": level(0)})
      for job, metric in (
          ("prometheus", "prometheus_config_last_reload_successful"),
          ("alertmanager", "alertmanager_config_last_reload_successful"),
          ("mimir", "cortex_runtime_config_last_reload_successful"),
          ("loki", "loki_runtime_config_last_reload_successful"),
          ("tempo", "tempo_runtime_config_last_reload_successful"),
          ("alloy", "alloy_config_last_load_successful"),
          ("blackbox_exporter", "blackbox_exporter_config_last_reload_successful"),
      )),
    short("Tempo starts every three minutes", of_job("tempo", "ServiceRestarting"),
              changes={"tempo process_start_time_seconds": lambda time, _before: time - time % 180}),
    short("Tempo starts three times, and no more", minutes=4,
              changes={"tempo process_start_time_seconds": lambda time, _before: time - time % 180}),
    short("Redis is down", of_job("redis_exporter", "RedisDown"), changes={"redis_exporter redis_up": level(0)}),
    short("a disk is getting full", ('DiskSpaceLow{mountpoint="/"}',),
              changes={f"node_exporter {AVAIL}": level(20e9)}),
    short("a disk is almost full", ('DiskSpaceCritical{mountpoint="/"}',),
              changes={f"node_exporter {AVAIL}": level(5e9)}),
    short("a disk will soon be full", ('DiskFilling{mountpoint="/"}',), minutes=90,
              changes={f"node_exporter {AVAIL}": counter(-8e6)}),
    short("memory runs out", of_job("node_exporter", "MemoryLow"),
              changes={"node_exporter node_memory_MemAvailable_bytes": level(0.2e9)}),
    short("a clock is wrong", of_job("node_exporter", "ClockSkew"),
              changes={"node_exporter node_time_seconds": clock(-20)}),
    short("a host is not as declared", of_job("node_exporter", "HostDrifted"),
              changes={"node_exporter lgtm_drift": level(1)}),
    short("a clock is kept by nobody", of_job("node_exporter", "ClockNotSynchronised"),
              changes={"node_exporter node_timex_sync_status": level(0),
                       "node_exporter node_timex_maxerror_seconds": level(16)}),
    short("a clock is not the host's own to keep", settings={"prometheus_expect_clock_sync": False},
              changes={"node_exporter node_timex_sync_status": level(0),
                       "node_exporter node_timex_maxerror_seconds": level(16)}),
)  # fmt: skip

SHOP, BLOG = "192.0.2.7:8443", "[2001:db8::7]"
OWN = {
    "prometheus_extra_targets": [
        {"job": job, "targets": [at], "scheme": "https"} for job, at in (("shop", SHOP), ("blog", BLOG))
    ]
}
EXPORTER_DOWN = {
    key: course
    for place in ("blackbox_exporter", PRODUCTION_AT, STAGING_AT, MAIL_AT)
    for key, course in down(place).items()
}
JOBS_DOWN = {f"{job} up": level(0) for job in PRODUCTION}
BACKEND_DOWN = tuple(f'TargetDown{{env="production",job="{job}"}}' for job in PRODUCTION)
IN_PRODUCTION = '{env="production",job="certificates"}'
CERTIFICATES = (
    short("a certificate will expire", of_job("certificates", "CertificateExpiring"),
              changes={f"{MAIL_AT} {ENDS}": level(10 * DAY)}),
    short("the backend's certificate will soon expire", (f"CertificateExpiryCritical{IN_PRODUCTION}",),
              changes={f"{PRODUCTION_AT} {ENDS}": level(2 * DAY)}),
    short("a certificate expires", of_job("certificates", "CertificateExpiryCritical"), minutes=60,
              changes=expires(MAIL_AT, 10)),
    short("the backend's certificate expires, so that it cannot be scraped",
              (f"CertificateExpiryCritical{IN_PRODUCTION}", *BACKEND_DOWN), DOWN, envs=("production",), minutes=60,
              changes=expires(PRODUCTION_AT, 0.5) | JOBS_DOWN),
    short("a certificate has expired for so long that it is forgotten", of_job("certificates", "CertificateNotRead"),
              passing=of_job("certificates", "CertificateExpiryCritical"), minutes=60,
              changes=expires(MAIL_AT, 10), settings={"prometheus_certificate_memory": "10m"}),
    short("certificates cannot be read for a while", minutes=20,
              changes=unread(PRODUCTION_AT) | unread(MAIL_AT)),
    short("a certificate is not trusted", of_job("certificates", "CertificateNotRead"), minutes=45,
              changes=unread(MAIL_AT)),
    short("the backend is scraped, and its certificate cannot be read", (f"CertificateNotRead{IN_PRODUCTION}",),
              minutes=45, changes=unread(PRODUCTION_AT)),
    short("one of the backend's jobs is down, and its certificate cannot be read",
              (f"CertificateNotRead{IN_PRODUCTION}", BACKEND_DOWN[1]), minutes=45,
              changes=unread(PRODUCTION_AT) | {f"{PRODUCTION[1]} up": level(0)}),
    short("the backend is down, and its certificate cannot be read", BACKEND_DOWN, DOWN, envs=("production",),
              minutes=45, changes=unread(PRODUCTION_AT) | JOBS_DOWN),
    short("targets of one's own are down", of_job("shop", "TargetDown") + of_job("blog", "TargetDown"), minutes=45,
              settings=OWN,
              changes={f"{place} {metric}": level(0) for place, metric in (
                  ("shop", "up"), ("blog", "up"), (f"certificates/{SHOP}", "probe_success"),
                  (f"certificates/{BLOG}:443", "probe_success"),
              )}),
    short("what looks at certificates is down", of_job("blackbox_exporter", "TargetDown"), minutes=45,
              changes=EXPORTER_DOWN),
    short("a certificate is not looked at, though the exporter runs", of_job("certificates", "TargetDown"),
              changes=down(MAIL_AT)),
    short("a certificate is no longer among those looked at", of_job("certificates", "TargetMissing"),
              changes=gone(MAIL_AT)),
)  # fmt: skip
