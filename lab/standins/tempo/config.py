"""Tempo's configuration file, as far as the stand-in can keep its promises."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..common.config import UNIT_SECONDS, ConfigError, find, parse
from ..common.http import Address

# The names of the file's top-level sections and settings in Tempo 2.5.
SECTIONS = """
    auth_enabled autocomplete_filtering_enabled cache compactor distributor enable_go_runtime_metrics http_api_prefix
    ingester ingester_client internal_server memberlist metrics_generator metrics_generator_client multitenancy_enabled
    overrides querier query_frontend server shutdown_delay storage stream_over_http_enabled target usage_report
    use_otel_tracer
"""
TOP_LEVEL = frozenset(SECTIONS.split())
RETENTION = "compactor.compaction.block_retention"
DURATIONS = (RETENTION, "ingester.lifecycler.min_ready_duration", "ingester.max_block_duration")
DURATION = re.compile(r"([0-9.]+(ms|[smh]))+|0")
GENERATOR = "metrics_generator"
OTLP = "distributor.receivers.otlp.protocols"


@dataclass(frozen=True)
class Config:
    """What the stand-in needs from the file. `push` is where metrics go, if anywhere; `tree` the whole of it."""

    http: Address
    grpc: Address
    otlp_http: Address
    otlp_grpc: Address
    data: Path
    retention_seconds: float
    push: str | None
    remote_name: str
    processors: frozenset[str]
    labels: Mapping[str, str]
    dimensions: tuple[str, ...]
    buckets: tuple[float, ...]
    tree: Mapping[str, Any]


def load(path: Path) -> Config:
    """Read and check the file; ConfigError with the reason if Tempo would refuse it, or the stand-in must."""
    try:
        tree = parse(path.read_text(), TOP_LEVEL, may_be_empty=False)
    except OSError as error:
        raise ConfigError(f"cannot read it: {error.strerror}") from error
    durations = {key: seconds(tree, key) for key in DURATIONS}
    write = (find(tree, f"{GENERATOR}.storage.remote_write") or [{}])[0]
    return Config(
        http=address(tree, "server.http_listen_address", "server.http_listen_port"),
        grpc=address(tree, "server.grpc_listen_address", "server.grpc_listen_port"),
        otlp_http=address(tree, f"{OTLP}.http.endpoint"),
        otlp_grpc=address(tree, f"{OTLP}.grpc.endpoint"),
        data=Path(str(find(tree, "storage.trace.wal.path") or "/var/tempo/wal")),
        retention_seconds=durations[RETENTION] or 336 * 3600,
        push=write.get("url"),
        remote_name=str(write.get("name", "")),
        processors=frozenset(find(tree, f"overrides.defaults.{GENERATOR}.processors") or ()),
        labels=find(tree, f"{GENERATOR}.registry.external_labels") or {},
        dimensions=tuple(find(tree, f"{GENERATOR}.processor.span_metrics.dimensions") or ()),
        buckets=tuple(find(tree, f"{GENERATOR}.processor.span_metrics.histogram_buckets") or (0.128, 1.024, 8.192)),
        tree=tree,
    )


def address(tree: Mapping[str, Any], *keys: str) -> Address:
    """Read address and port, from one key or two; both must be there: the stand-in has no defaults to fall back on."""
    written = ":".join(str(find(tree, key) or "") for key in keys)
    host, _, number = written.rpartition(":")
    if not host or not number.isdecimal() or not 0 < int(number) < 65536:
        raise ConfigError(f"{' and '.join(keys)} must give an address and a port, not {written!r}")
    return host, int(number)


def seconds(tree: Mapping[str, Any], key: str) -> float:
    """Look a duration up as Go writes it, which knows no days; 0 where it is absent."""
    written = str(find(tree, key) or "0")
    if not DURATION.fullmatch(written):
        raise ConfigError(f"{key}: not a valid duration: {written!r}")
    return sum(float(number) * UNIT_SECONDS[unit] for number, unit in re.findall(r"([0-9.]+)(ms|[smh])", written))
