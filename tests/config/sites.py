"""Sites for tests, and their rendered components."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lgtm.load.plugins import tasks
from lgtm.model.component import Component
from lgtm.model.secrets import Secret
from lgtm.model.settings import SiteSettings, build
from lgtm.model.site import Node, Site

ROOT = Path(__file__).parents[2]
SECRETS = {
    "STAGING_BEARER_TOKEN": Secret("t0ken-of-staging"),
    "REDIS_PASSWORD": Secret("pa55-of-redis"),
    "SMTP_PASSWORD": Secret("pa55-of-mail"),
    "GRAFANA_ADMIN_PASSWORD": Secret("pa55-of-grafana"),
    "HEARTBEAT_URL": Secret("https://heartbeat.example.com/t0ken-of-heartbeat"),
}
PLAIN = {  # from the environment file too, but shown
    "SMTP_HOST": Secret("mail.example.com:587"),
    "SMTP_USERNAME": Secret("robot@example.com"),
    "SMTP_FROM": Secret("alerts@example.com"),
    "ALERT_EMAIL": Secret("operator@example.com"),
    "ALERT_EMAIL_CRITICAL": Secret("oncall@example.com, boss@example.com"),
}
ENV = SECRETS | PLAIN
ALL = (
    "prometheus", "alertmanager", "mimir", "loki", "tempo", "grafana", "alloy", "node_exporter", "redis_exporter",
    "blackbox_exporter",
)  # fmt: skip
ONE = {"one": ALL}
SPLIT = {
    "front": ("prometheus", "alertmanager", "grafana", "alloy", "node_exporter", "redis_exporter", "blackbox_exporter"),
    "store": ("mimir", "loki", "tempo", "alloy", "node_exporter"),
}
REDIS = {"redis_exporter_redis_url": "redis://192.0.2.9:6379"}


def make_site(hosts: Mapping[str, tuple[str, ...]] = ONE, secrets: Mapping[str, Secret] = ENV, **data: Any) -> Site:
    """A site seen from its first host; `data` is group data that all hosts share."""
    data = REDIS | data
    nodes = tuple(
        Node(
            name,
            SiteSettings(environment="test", private_address=f"192.0.2.{number}"),
            {one: build(tasks()[one].settings, f"{one}_", name, data, secrets, "test") for one in services},
        )
        for number, (name, services) in enumerate(hosts.items(), 11)
    )
    known = tasks()
    uses = {name: task.uses for name, task in known.items()}
    return Site(nodes, nodes[0], uses, {name: task.scrape for name, task in known.items()}, ROOT)


def component(site: Site, service: str) -> Component:
    """The component of a service on the first host that carries it."""
    node = site.carrying(service)[0]
    return tasks()[service].component(node.services[service], site.at(node))


def components(site: Site) -> list[Component]:
    """Every component of every host."""
    return [
        tasks()[service].component(settings, site.at(node))
        for node in site.nodes
        for service, settings in node.services.items()
    ]


def file(found: Component, path: str) -> str:
    """The content of one of a component's files."""
    return next(one.content for one in found.files if one.path == path)


def parsed(found: Component, path: str) -> Any:
    return yaml.safe_load(file(found, path))


def stage(found: Component, folder: Path) -> Path:
    """Write a component's files below a folder."""
    for one in found.files:
        (folder / one.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / one.path).write_text(one.content)
    return folder


def validate(found: Component, artifact: Path, etc: Path) -> list[subprocess.CompletedProcess[str]]:
    """Run a component's own validators."""
    places = {"{artifact}": str(artifact), "{etc}": str(etc)}
    return [
        subprocess.run([_placed(word, places) for word in one.command], capture_output=True, text=True, timeout=60)
        for one in found.validators
    ]


def _placed(word: str, places: Mapping[str, str]) -> str:
    for mark, place in places.items():
        word = word.replace(mark, place)
    return word
