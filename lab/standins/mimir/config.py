"""Mimir's configuration file, as far as the stand-in can keep its promises."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..common.config import ConfigError, find, parse, port, required, seconds

# The names of the file's top-level blocks and settings in Mimir 2.11.
BLOCKS = """
    activity_tracker alertmanager alertmanager_storage api blocks_storage common compactor distributor
    enable_go_runtime_metrics flusher frontend frontend_worker ingester ingester_client limits
    max_separate_metrics_groups_per_user memberlist multitenancy_enabled no_auth_tenant
    overrides_exporter querier query_scheduler ruler ruler_storage runtime_config server shutdown_delay
    store_gateway target tenant_federation timeseries_unmarshal_caching_optimization_enabled usage_stats
    vault
"""
TOP_LEVEL = frozenset(BLOCKS.split())
RUNTIME_TOP_LEVEL = frozenset(("overrides", "multi_kv_config", "ingester_limits", "distributor_limits"))
DURATIONS = (
    "blocks_storage.tsdb.retention_period",
    "limits.compactor_blocks_retention_period",
    "limits.max_query_lookback",
    "limits.out_of_order_time_window",
    "runtime_config.period",
)
DURATION = re.compile(r"(?=.)(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?|0")


@dataclass(frozen=True)
class Config:
    """What the stand-in needs from the file. Durations are as written (`30d`) but where named seconds."""

    http: tuple[str, int]
    grpc: tuple[str, int]
    memberlist: tuple[tuple[str, int], ...]  # where its members would talk; nowhere without an address
    data: Path
    retention: str  # `0` keeps for ever
    out_of_order: str
    runtime_file: Path | None
    runtime_period_seconds: float
    text: str


def load(path: Path) -> Config:
    """Read and check the file; ConfigError with the reason if Mimir would refuse it, or the stand-in must."""
    try:
        text = path.read_text()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    tree = parse(text, TOP_LEVEL)
    for key in DURATIONS:
        duration(tree, key)
    runtime = find(tree, "runtime_config.file")
    return Config(
        http=(required(tree, "server.http_listen_address", str), port(tree, "server.http_listen_port")),
        grpc=(str(find(tree, "server.grpc_listen_address") or ""), port(tree, "server.grpc_listen_port")),
        memberlist=tuple(
            (str(address), port(tree, "memberlist.bind_port")) for address in find(tree, "memberlist.bind_addr") or ()
        ),
        data=Path(required(tree, "blocks_storage.tsdb.dir", str)),
        retention=duration(tree, "limits.compactor_blocks_retention_period", "0"),
        out_of_order=duration(tree, "limits.out_of_order_time_window", "0s"),
        runtime_file=Path(str(runtime)) if runtime else None,
        runtime_period_seconds=seconds(duration(tree, "runtime_config.period", "10s")),
        text=text,
    )


def duration(tree: Mapping[str, Any], key: str, default: str = "0") -> str:
    """Look a duration up, such as `30d` or `1h30m`."""
    value = find(tree, key)
    written = default if value is None else str(value)
    if not DURATION.fullmatch(written):
        raise ConfigError(f"{key}: not a valid duration string: {written!r}")
    return written
