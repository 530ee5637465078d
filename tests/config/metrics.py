"""The metrics that queries may use: who exposes each, and with which labels if that is known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain
from typing import Any

import promql_parser as promql
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sites import component, file, make_site

from lab.exposition import data_registry, process_registry
from lab.traffic import Traffic

SCRAPED = frozenset({"job", "instance", "env", "source"})  # what a scrape of GatewayZ adds
# What every Go service says of its own process; the backend's own are among its metrics.
PROCESS = ("process_resident_memory_bytes", "process_start_time_seconds")
SERVICES: Mapping[str, tuple[str, ...]] = {
    "prometheus": (
        "ALERTS",
        "prometheus_notifications_dropped_total",
        "prometheus_notifications_errors_total",
        "prometheus_remote_storage_samples_failed_total",
        "prometheus_remote_storage_samples_pending",
        "prometheus_remote_storage_samples_retried_total",
        "prometheus_remote_storage_shards",
        "prometheus_remote_storage_shards_desired",
        "prometheus_remote_storage_shards_max",
        "prometheus_rule_evaluation_failures_total",
        "prometheus_rule_group_interval_seconds",
        "prometheus_rule_group_last_duration_seconds",
        "prometheus_tsdb_head_samples_appended_total",
        "prometheus_tsdb_head_series",
        "prometheus_tsdb_storage_blocks_bytes",
        "scrape_duration_seconds",
        "up",
    ),
    "alertmanager": (
        "alertmanager_alerts",
        "alertmanager_notifications_failed_total",
        "alertmanager_notifications_total",
    ),
    "mimir": (
        "cortex_discarded_samples_total",
        "cortex_ingester_memory_series",
        "cortex_ingester_tsdb_storage_blocks_bytes",
        "cortex_prometheus_rule_evaluation_failures_total",
        "cortex_prometheus_rule_group_interval_seconds",
        "cortex_prometheus_rule_group_last_duration_seconds",
        "cortex_request_duration_seconds_count",
    ),
    "loki": (
        "loki_discarded_samples_total",
        "loki_distributor_bytes_received_total",
        "loki_distributor_lines_received_total",
        "loki_ingester_memory_streams",
    ),
    "tempo": (
        "tempo_discarded_spans_total",
        "tempo_distributor_spans_received_total",
        "tempo_metrics_generator_registry_active_series",
    ),
    "tempo, into Mimir": (
        "traces_service_graph_request_failed_total",
        "traces_service_graph_request_server_seconds_bucket",
        "traces_service_graph_request_total",
        "traces_spanmetrics_calls_total",
        "traces_spanmetrics_latency_bucket",
    ),
    "node_exporter": (
        "lgtm_drift",
        "node_cpu_seconds_total",
        "node_filesystem_avail_bytes",
        "node_filesystem_size_bytes",
        "node_memory_MemAvailable_bytes",
        "node_memory_MemTotal_bytes",
        "node_timex_maxerror_seconds",
    ),
    "redis_exporter": (
        "redis_commands_processed_total",
        "redis_memory_used_bytes",
        "redis_up",
    ),
}
Labels = frozenset[str] | None  # None: not known


@cache
def known() -> Mapping[str, Labels]:
    """Every metric that may be named, with its labels."""
    services = {name: None for names in (PROCESS, *SERVICES.values()) for name in names}
    return backend() | recorded() | services


def backend() -> dict[str, Labels]:
    """What GatewayZ exposes, as the lab's backend shows it."""
    found: dict[str, Labels] = {}
    for registry in (process_registry(Traffic()), data_registry(Traffic())):
        for family in text_string_to_metric_families(generate_latest(registry).decode()):
            for sample in family.samples:
                found[sample.name] = (found.get(sample.name) or SCRAPED) | sample.labels.keys()
    return found


def recorded() -> dict[str, Labels]:
    """What our recording rules make, with the labels that they keep."""
    text = file(component(make_site(), "prometheus"), "rules/recording.yml")
    rules = re.findall(r"- record: (\S+)\n((?:(?! +- ).+\n?)+)", text)
    return {name: _kept(name, rule) for name, rule in rules}


def _kept(name: str, rule: str) -> Labels:
    by = {label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", rule) for label in labels.split(",")}
    return frozenset(by) - {"le"} if name.startswith("gatewayz:") else None


def fault(expression: str) -> str | None:
    """A metric that nobody exposes, or a label that it does not have; None if all is known.

    ValueError for what is no PromQL.
    """
    tree = promql.parse(expression)
    return next(chain(_strangers(tree), _lost(tree)), None)


def _strangers(tree: promql.Expr) -> Iterator[str]:
    for selector in _nodes(tree, promql.VectorSelector):
        if selector.name not in known():
            yield f"nobody exposes {selector.name}"
        elif labels := known()[selector.name]:
            names = (matcher.name for matcher in selector.matchers.matchers)
            yield from (f"{selector.name} has no label {name}" for name in names if name not in labels)


def _lost(tree: promql.Expr) -> Iterator[str]:
    """Labels that an aggregation keeps although nothing that it adds up has them."""
    for node in _nodes(tree, promql.AggregateExpr):
        there = [known().get(one.name) for one in _nodes(node.expr, promql.VectorSelector)]
        if node.modifier and None not in there:
            labels = frozenset().union(*filter(None, there))
            yield from (
                f"nothing has the label {name} in {node}" for name in node.modifier.labels if name not in labels
            )


def _nodes(tree: promql.Expr, kind: type) -> list[Any]:
    found: list[Any] = []
    promql.walk(tree, lambda node: found.append(node) if isinstance(node, kind) else None)
    return found
