"""Configuration in YAML: read as strictly as the real ones read it, and looked up by dotted keys."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

UNIT_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}


class ConfigError(Exception):
    """What is wrong with a file, in a sentence."""


class StrictLoader(yaml.SafeLoader):
    """YAML in which a key may not occur twice, as in the parser of the real ones."""


def unique_mapping(loader: StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    """Build a mapping, refusing a repeated key."""
    keys = [loader.construct_object(key) for key, _ in node.value]
    if repeated := sorted({str(key) for key in keys if keys.count(key) > 1}):
        raise ConfigError(f"line {node.start_mark.line + 1}: {', '.join(repeated)} given twice")
    return loader.construct_mapping(node, deep=True)


StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, unique_mapping)


def parse(text: str, known: frozenset[str], may_be_empty: bool = True) -> dict[str, Any]:
    """Parse YAML whose top level is a mapping of known names."""
    try:
        tree = yaml.load(text, StrictLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"not YAML: {' '.join(str(error).split())}") from error
    tree = {} if tree is None and may_be_empty else tree
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
    if not isinstance(value, kind) or isinstance(value, bool) or value in ("", []):
        raise ConfigError(f"{key} must be given as {kind.__name__}, not {value!r}")
    return value


def port(tree: Mapping[str, Any], key: str) -> int:
    """Look a port up that must be there."""
    number = int(required(tree, key, int))
    if not 0 < number < 65536:
        raise ConfigError(f"{key}: {number} is not a port")
    return number


def seconds(written: str) -> float:
    """Convert a valid duration of whole numbers, such as `1h30m`."""
    return sum(int(number) * UNIT_SECONDS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdwy])", written))
