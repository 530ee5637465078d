"""Mimir's configuration file, as far as the stand-in can keep its promises."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

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
UNIT_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}


class ConfigError(Exception):
    """What is wrong with the file, in a sentence."""


@dataclass(frozen=True)
class Config:
    """What the stand-in needs from the file. Durations are as written (`30d`) but where named seconds."""

    http: tuple[str, int]
    grpc: tuple[str, int]
    data: Path
    retention: str  # `0` keeps for ever
    out_of_order: str
    runtime_file: Path | None
    runtime_period_seconds: float
    text: str


class StrictLoader(yaml.SafeLoader):
    """YAML in which a key may not occur twice, as in Mimir's own parser."""


def unique_mapping(loader: StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    """Build a mapping, refusing a repeated key."""
    keys = [loader.construct_object(key) for key, _ in node.value]
    if repeated := sorted({str(key) for key in keys if keys.count(key) > 1}):
        raise ConfigError(f"line {node.start_mark.line + 1}: {', '.join(repeated)} given twice")
    return loader.construct_mapping(node, deep=True)


StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, unique_mapping)


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
        data=Path(required(tree, "blocks_storage.tsdb.dir", str)),
        retention=duration(tree, "limits.compactor_blocks_retention_period", "0"),
        out_of_order=duration(tree, "limits.out_of_order_time_window", "0s"),
        runtime_file=Path(str(runtime)) if runtime else None,
        runtime_period_seconds=seconds(duration(tree, "runtime_config.period", "10s")),
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
    if not isinstance(value, kind) or isinstance(value, bool) or value == "":
        raise ConfigError(f"{key} must be given as {kind.__name__}, not {value!r}")
    return value


def port(tree: Mapping[str, Any], key: str) -> int:
    """Look a port up that must be there."""
    number = int(required(tree, key, int))
    if not 0 < number < 65536:
        raise ConfigError(f"{key}: {number} is not a port")
    return number


def duration(tree: Mapping[str, Any], key: str, default: str = "0") -> str:
    """Look a duration up, such as `30d` or `1h30m`."""
    value = find(tree, key)
    written = default if value is None else str(value)
    if not DURATION.fullmatch(written):
        raise ConfigError(f"{key}: not a valid duration string: {written!r}")
    return written


def seconds(written: str) -> float:
    """Convert a valid duration."""
    return sum(int(n) * UNIT_SECONDS[unit] for n, unit in re.findall(r"(\d+)(ms|[smhdwy])", written))
