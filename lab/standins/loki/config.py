"""Loki's configuration file, as far as the stand-in can keep its promises."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

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
UNIT_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
PERIOD = {"store": "tsdb", "object_store": "filesystem", "schema": "v13"}


class ConfigError(Exception):
    """What is wrong with the file, in a sentence."""


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


class StrictLoader(yaml.SafeLoader):
    """YAML in which a key may not occur twice, as in Loki's own parser."""


def unique_mapping(loader: StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    """Build a mapping, refusing a repeated key."""
    keys = [loader.construct_object(key) for key, _ in node.value]
    if repeated := sorted({str(key) for key in keys if keys.count(key) > 1}):
        raise ConfigError(f"line {node.start_mark.line + 1}: {', '.join(repeated)} given twice")
    return loader.construct_mapping(node, deep=True)


StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, unique_mapping)


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


def parse(text: str, known: frozenset[str]) -> dict[str, Any]:
    """Parse YAML whose top level is a mapping of known names."""
    try:
        tree = yaml.load(text, StrictLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"not YAML: {' '.join(str(error).split())}") from error
    tree = {} if tree is None else tree
    if not isinstance(tree, dict):
        raise ConfigError("the top level is not a mapping")
    if unknown := sorted(str(name) for name in tree if name not in known):
        raise ConfigError(f"field {', '.join(unknown)} not found")
    return tree


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


def find(tree: Mapping[str, Any], key: str) -> Any:
    """Look a dotted key up; None where it is absent."""
    value: Any = tree
    for part in key.split("."):
        if value is None:
            return None
        if not isinstance(value, dict):
            raise ConfigError(f"{key}: {part!r} is looked for in {value!r}, which is not a mapping")
        value = value.get(part)
    return value


def required(tree: Mapping[str, Any], key: str, kind: type) -> Any:
    """Look a key up that must be there, of a type."""
    value = find(tree, key)
    if not isinstance(value, kind) or isinstance(value, bool) or value in ("", []):
        raise ConfigError(f"{key} must be given as {kind.__name__}, not {value!r}")
    return value


def address(tree: Mapping[str, Any], key: str) -> tuple[str, int]:
    """Look an address and a port up that must be there."""
    number = int(required(tree, f"{key}_port", int))
    if not 0 < number < 65536:
        raise ConfigError(f"{key}_port: {number} is not a port")
    return required(tree, f"{key}_address", str), number


def seconds(tree: Mapping[str, Any], key: str) -> float:
    """Look a duration up, such as `30d` or `1h30m`; 0 where it is absent."""
    written = str(find(tree, key) or "0")
    if not DURATION.fullmatch(written):
        raise ConfigError(f"{key}: not a valid duration string: {written!r}")
    return sum(int(n) * UNIT_SECONDS[unit] for n, unit in re.findall(r"(\d+)(ms|[smhdwy])", written))
