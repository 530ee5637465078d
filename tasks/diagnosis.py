"""Known problems, each with its checks in the order of cause and effect: the first one that fails is the cause."""

from __future__ import annotations

from lgtm.task import Problem

PROBLEMS = (
    Problem(
        "volumes", "A service cannot write its data",
        ("host.mounts", "host.volumes", "host.disk", "*.owners", "*.active"), (),
    ),
    Problem(
        "remote_write", "Prometheus does not write to Mimir",
        ("host.disk", "mimir.owners", "mimir.active", "mimir.ready", "mimir.sockets", "mimir.config", "mimir.runtime",
         "prometheus.owners", "prometheus.active", "prometheus.ready", "prometheus.config", "prometheus.remote_write",
         "mimir.query", "mimir.up.*", "mimir.series.*"), ("mimir", "prometheus"),
    ),
    Problem(
        "mails", "Mails do not arrive",
        ("alertmanager.owners", "alertmanager.active", "alertmanager.ready", "alertmanager.config",
         "alertmanager.smtp_login", "alertmanager.email", "prometheus.active", "prometheus.alertmanagers",
         "prometheus.rules", "alertmanager.drill"), ("alertmanager",),
    ),
    Problem(
        "targets", "A target is down",
        ("prometheus.active", "prometheus.ready", "prometheus.config", "prometheus.jobs", "*.active", "*.sockets",
         "prometheus.reach_*", "redis_exporter.reach", "redis_exporter.redis", "prometheus.targets",
         "prometheus.world"), ("prometheus",),
    ),
    Problem(
        "logs", "There are no logs",
        ("host.disk", "loki.owners", "loki.active", "loki.ready", "loki.sockets", "loki.config", "loki.ingester",
         "loki.runtime", "loki.query", "loki.canary", "alloy.owners", "alloy.active", "alloy.*", "loki.lines"),
        ("loki", "alloy"),
    ),
    Problem(
        "traces", "There are no traces",
        ("host.disk", "tempo.owners", "tempo.active", "tempo.ready", "tempo.sockets", "tempo.config", "tempo.canary",
         "tempo.generator", "tempo.span_metrics", "tempo.spans"), ("tempo",),
    ),
)  # fmt: skip
