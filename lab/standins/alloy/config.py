"""Alloy's configuration file, as far as the stand-in can keep its promises."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..common.config import ConfigError
from ..common.config import seconds as converted
from .syntax import Block, Parser

# The blocks that are known, with their attributes in Alloy 1.20; an exclamation mark: cannot be left out.
KNOWN = {
    "logging": "level format",
    "loki.source.journal": "!forward_to format_as_json labels matches max_age path relabel_rules",
    "loki.relabel": "!forward_to max_cache_size",
    "loki.relabel/rule": "action modulus regex replacement separator source_labels target_label",
    "loki.write": "external_labels max_streams",
    "loki.write/endpoint": "!url batch_size batch_wait headers max_backoff_period max_backoff_retries"
    " min_backoff_period name remote_timeout retry_on_http_429 tenant_id",
}
LEVELS = dict(zip("01234567", ("emerg", "alert", "crit", "error", "warning", "notice", "info", "debug"), strict=True))


@dataclass(frozen=True)
class Config:
    """What the stand-in needs from the file; `rules` are the attributes of its rules."""

    url: str
    external: dict[str, str]
    labels: dict[str, str]
    max_age_seconds: float
    rules: tuple[dict[str, Any], ...]
    components: int
    text: str

    def stream(self, entry: dict[str, Any]) -> dict[str, str] | None:
        """Give the labels of an entry of the journal, or None when it is not wanted."""
        labels = {f"__journal_{name.lower()}": str(value) for name, value in entry.items()} | self.labels
        priority = str(entry.get("PRIORITY", ""))
        labels["__journal_priority_keyword"] = LEVELS.get(priority, priority)
        if not all(relabel(rule, labels) for rule in self.rules):
            return None
        return self.external | {name: value for name, value in labels.items() if value and name[:2] != "__"}


def relabel(rule: dict[str, Any], labels: dict[str, str]) -> bool:
    """Change the labels by one rule; False when the line is not wanted."""
    value = rule.get("separator", ";").join(labels.get(name, "") for name in rule.get("source_labels", ()))
    match = re.fullmatch(rule.get("regex", "(.*)"), value, re.DOTALL)
    if rule.get("action", "replace") != "replace":
        return bool(match) is (rule["action"] == "keep")
    if match:
        replacement = rule.get("replacement", "$1")
        labels[rule["target_label"]] = re.sub(r"\$(\d)", lambda group: match[int(group[1])] or "", replacement)
    return True


def load(path: Path) -> Config:
    """Read and check the file; ConfigError with the reason if Alloy would refuse it, or the stand-in must."""
    text = path.read_text()
    root = Parser(text).body(Block(), "")
    for block in root.blocks:
        check(block)
    components = {block.id: block for block in root.blocks if "." in block.name}
    source, write = only(root, "loki.source.journal"), only(root, "loki.write")
    for reference in [*source.attributes["forward_to"], *filter(None, [source.attributes.get("relabel_rules")])]:
        if reference.rpartition(".")[0] not in components:
            raise ConfigError(f"component {reference!r} does not exist or is out of scope")
    rules = components.get(source.attributes.get("relabel_rules", "").rpartition(".")[0], Block())
    return Config(
        url=only(write, "endpoint").attributes["url"],
        external=write.attributes.get("external_labels", {}),
        labels=source.attributes.get("labels", {}) | {"job": source.id},
        max_age_seconds=seconds(source.attributes.get("max_age", "7h")),
        rules=tuple(checked(rule.attributes) for rule in rules.blocks),
        components=len(components),
        text=text,
    )


def check(block: Block, within: str = "") -> None:
    """Refuse unknown names and missing ones; in the blocks inside too."""
    if (path := within + block.name) not in KNOWN:
        raise ConfigError(f"cannot find the definition of component name {block.name!r}")
    names = KNOWN[path].split()
    if unknown := sorted(block.attributes.keys() - {name.lstrip("!") for name in names}):
        raise ConfigError(f"{block.id}: unrecognized attribute name {unknown[0]!r}")
    if missing := [name for name in names if name[0] == "!" and name[1:] not in block.attributes]:
        raise ConfigError(f"{block.id}: missing required attribute {missing[0][1:]!r}")
    for inner in block.blocks:
        check(inner, path + "/")


def checked(rule: dict[str, Any]) -> dict[str, Any]:
    """Refuse a rule that could not be applied."""
    if (action := rule.get("action", "replace")) not in ("replace", "keep", "drop"):
        raise ConfigError(f"the stand-in does not know the action {action!r}")
    if action == "replace" and "target_label" not in rule:
        raise ConfigError("relabel configuration for replace action requires 'target_label' value")
    try:
        re.compile(rule.get("regex", ""))
    except re.error as error:
        raise ConfigError(f"regex {rule['regex']!r}: {error}") from error
    return rule


def only(block: Block, name: str) -> Block:
    """Find the one block of a name."""
    found = [one for one in block.blocks if one.name == name]
    if len(found) != 1:
        raise ConfigError(f"the stand-in needs {name} once, not {len(found)} times")
    return found[0]


def seconds(written: str) -> float:
    """Convert a duration as Go writes it: no days."""
    if not re.fullmatch(r"(\d+(ms|s|m|h))+", written):
        raise ConfigError(f"{written!r} is not a duration")
    return converted(written)
