"""Loki's component and checks, on sites with and without its peers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sites import component, make_site

from lgtm.load.plugins import tasks
from lgtm.model.checks import Check
from lgtm.model.component import Component

Hosts = Mapping[str, tuple[str, ...]]
HOSTS: Hosts = {"one": ("mimir", "loki")}
SHIPPED: Hosts = {"one": ("mimir", "loki", "alloy")}
SPLIT: Hosts = {"front": ("prometheus",), "logs": ("loki",), "store": ("mimir",)}
ALONE: Hosts = {"one": ("loki",)}


def loki(hosts: Hosts = HOSTS, **data: Any) -> Component:
    return component(make_site(hosts, **data), "loki")


def checks(hosts: Hosts = HOSTS, **data: Any) -> dict[str, Check]:
    """Loki's checks, by name."""
    site = make_site(hosts, **data)
    node = site.the("loki")
    assert node
    return {one.id: one for one in tasks()["loki"].checks(node.services["loki"], site.at(node))}
