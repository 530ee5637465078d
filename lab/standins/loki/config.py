"""Loki's configuration file, as far as the stand-in can keep its promises."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..common.config import ConfigError, find, parse, port, required
from ..common.config import seconds as converted

# The names of the file's top-level sections and settings in Loki 3.4 to 3.7.
SECTIONS = """
    analytics auth_enabled ballast_bytes bloom_build bloom_gateway chunk_store_config common compactor
    compactor_client compactor_grpc_client distributor frontend frontend_worker http_prefix index_gateway ingester
    ingester_client internal_server kafka_config legacy_read_target limits_config memberlist metrics_namespace
    operational_config pattern_ingester profiling querier query_range query_scheduler ruler ruler_storage
    runtime_config schema_config server shutdown_delay storage_config table_manager target tracing
"""
TOP_LEVEL = frozenset(SECTIONS.split())
RUNTIME_TOP_LEVEL = frozenset(("configs", "multi_kv_config", "overrides"))
DURATIONS = (
    "compactor.compaction_interval",
    "compactor.retention_delete_delay",
    "ingester.lifecycler.min_ready_duration",
    "limits_config.max_query_lookback",
    "limits_config.query_timeout",
    "limits_config.reject_old_samples_max_age",
    "limits_config.retention_period",
    "runtime_config.period",
)
DURATION = re.compile(r"(\d+(ms|[smhdwy]))+|0")
PERIOD = {"store": "tsdb", "object_store": "filesystem", "schema": "v13"}


@dataclass(frozen=True)
class Config:
    """What the stand-in needs from the file. A retention of 0 keeps for ever."""

    http: tuple[str, int]
    grpc: tuple[str, int]
    data: Path
    retention_seconds: float
    rules: Path | None
    runtime_file: Path | None
    runtime_period_seconds: float
    text: str


def load(path: Path) -> Config:
    """Read and check the file; ConfigError with the reason if Loki would refuse it, or the stand-in must."""
    try:
        text = path.read_text()
    except OSError as error:
        raise ConfigError(f"cannot read it: {error.strerror}") from error
    tree = parse(text, TOP_LEVEL)
    times = {key: seconds(tree, key) for key in DURATIONS}
    check_schema(tree)
    if find(tree, "compactor.retention_enabled") and not find(tree, "compactor.delete_request_store"):
        raise ConfigError("compactor.delete_request_store should be configured when retention is enabled")
    rules, runtime = find(tree, "ruler.storage.local.directory"), find(tree, "runtime_config.file")
    return Config(
        http=address(tree, "server.http_listen"),
        grpc=address(tree, "server.grpc_listen"),
        data=Path(required(tree, "storage_config.filesystem.directory", str)),
        retention_seconds=times["limits_config.retention_period"],
        rules=Path(str(rules)) if rules else None,
        runtime_file=Path(str(runtime)) if runtime else None,
        runtime_period_seconds=times["runtime_config.period"] or 10,
        text=text,
    )


def check_schema(tree: Mapping[str, Any]) -> None:
    """Refuse periods that are out of order, or stored in another way than the stand-in pretends to."""
    periods = required(tree, "schema_config.configs", list)
    starts = [str(find(period, "from")) for period in periods]
    if not starts or starts != sorted(set(starts)):
        raise ConfigError("schema_config.configs: each period must start after the one before it")
    for period in periods:
        for key, value in (*PERIOD.items(), ("index.period", "24h")):
            if find(period, key) != value:
                raise ConfigError(f"schema_config.configs: {key} must be {value}, not {find(period, key)!r}")


def address(tree: Mapping[str, Any], key: str) -> tuple[str, int]:
    """Look an address and a port up that must be there."""
    number = port(tree, f"{key}_port")
    return required(tree, f"{key}_address", str), number


def seconds(tree: Mapping[str, Any], key: str) -> float:
    """Look a duration up, such as `30d` or `1h30m`; 0 where it is absent."""
    written = str(find(tree, key) or "0")
    if not DURATION.fullmatch(written):
        raise ConfigError(f"{key}: not a valid duration string: {written!r}")
    return converted(written)
