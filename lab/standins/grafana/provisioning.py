"""Provisioned data sources and dashboards, read as Grafana reads them."""

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..common.config import ConfigError


@dataclass(frozen=True)
class Dashboard:
    """A dashboard, and the folder it is shown in."""

    model: dict[str, Any]
    folder: str
    folder_uid: str


def sources(folder: Path) -> dict[str, dict[str, Any]]:
    """The data sources by uid; ConfigError for a file that Grafana would not start with."""
    found = [one for tree in files(folder / "datasources") for one in tree.get("datasources") or []]
    for number, one in enumerate(found, 1):
        uid = str(one.get("uid", ""))
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", uid) or not one.get("name") or not one.get("type"):
            raise ConfigError(f"data source {number}: name, type or a valid uid is missing: {uid!r}")
        one |= {"id": number, "orgId": 1, "readOnly": not one.pop("editable", False)}
        one.setdefault("isDefault", False)
    for key in ("uid", "name"):
        if len({one[key] for one in found}) != len(found):
            raise ConfigError(f"two data sources have the same {key}")
    if [one["isDefault"] for one in found].count(True) > 1:
        raise ConfigError("more than one data source is the default")
    return {one["uid"]: one for one in found}


class Dashboards:
    """The dashboards of every provider, read again when its interval has passed."""

    def __init__(self, folder: Path) -> None:
        self.providers = [one for tree in files(folder / "dashboards") for one in tree.get("providers") or []]
        self.interval = min([one.get("updateIntervalSeconds", 10) for one in self.providers], default=10)
        self.read_at, self.found = -float("inf"), dict[str, Dashboard]()

    def current(self) -> dict[str, Dashboard]:
        """uid → dashboard."""
        if time.monotonic() - self.read_at > self.interval:
            every = (one for provider in self.providers for one in dashboards(provider))
            self.found = {one.model["uid"]: one for one in every}
            self.read_at = time.monotonic()
        return self.found


def dashboards(provider: dict[str, Any]) -> Iterator[Dashboard]:
    """The dashboards of one provider; a file that is none is complained of and left out."""
    folder = str(provider.get("folder", ""))
    uid = str(provider.get("folderUid") or folder.lower())
    for path in sorted(Path(provider["options"]["path"]).rglob("*.json")):
        try:
            model = json.loads(path.read_text())
            yield Dashboard({"uid": path.stem} | model, folder, uid)
        except (ValueError, TypeError, OSError) as error:
            print(f"failed to load dashboard from {path}: {error}", file=sys.stderr, flush=True)


def files(folder: Path) -> Iterator[dict[str, Any]]:
    """The YAML files that lie directly in a folder, their variables expanded."""
    for path in sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")]):
        try:
            tree = yaml.safe_load(path.read_text())
        except yaml.YAMLError as error:
            raise ConfigError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
        yield expanded(tree or {})


def expanded(value: Any) -> Any:
    """Every text with `$NAME` and `${NAME}` replaced from the environment, and `$$` by a dollar."""
    if isinstance(value, dict):
        return {key: expanded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [expanded(one) for one in value]
    if not isinstance(value, str):
        return value
    parts = value.split("$$")
    return "$".join(re.sub(r"\$(?:\{([^}]*)\}|(\w+))", _variable, part) for part in parts)


def _variable(found: re.Match[str]) -> str:
    return os.environ.get(found[1] or found[2] or "", "")
