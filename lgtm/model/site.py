"""The site: which host carries which service, at which address and port, with which settings. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from lgtm.model.component import Port
from lgtm.model.errors import Refusal
from lgtm.model.settings import ServiceSettings, Settings, SiteSettings

LOOPBACK = "127.0.0.1"
T = TypeVar("T", bound=Settings)


@dataclass(frozen=True)
class Node:
    """One host of the inventory: its own settings and those of each service it carries."""

    name: str
    settings: SiteSettings
    services: Mapping[str, ServiceSettings]


@dataclass(frozen=True)
class Scrape:
    """Interval and timeout of a service's scrape job; durations as Prometheus writes them."""

    interval: str = "15s"
    timeout: str = "10s"


@dataclass(frozen=True)
class Site:
    """All hosts, seen from one of them (`here`).

    `uses` is service → the services it connects to ("*" for all). A service that another host uses listens on the
    private address of its host, every other service on loopback.
    """

    nodes: tuple[Node, ...]
    here: Node
    uses: Mapping[str, tuple[str, ...]]
    scrapes: Mapping[str, Scrape]
    root: Path  # the repository: its templates, tasks, pins and secrets

    @property
    def environment(self) -> str:
        return self.here.settings.environment

    def at(self, node: Node) -> Site:
        """The same site, seen from another host."""
        return replace(self, here=node)

    def carrying(self, service: str) -> tuple[Node, ...]:
        """The hosts that carry a service, in inventory order."""
        return tuple(node for node in self.nodes if service in node.services)

    def settings_of(self, kind: type[T]) -> tuple[tuple[Node, T], ...]:
        """(host, settings) of every service whose settings are of this type, in inventory order.

        Example: `[settings.mail for _, settings in site.settings_of(AlertmanagerSettings)]`.
        """
        return tuple((node, one) for node in self.nodes for one in node.services.values() if isinstance(one, kind))

    def the(self, service: str) -> Node | None:
        """The host that carries a service, or None. Raises Refusal if several do."""
        nodes = self.carrying(service)
        if len(nodes) > 1:
            names = ", ".join(node.name for node in nodes)
            raise Refusal(
                f"{names}: {service} is on {len(nodes)} hosts, but can only be on one; remove it from the others"
            )
        return nodes[0] if nodes else None

    def address(self, service: str, node: Node | None = None) -> str:
        """The address at which a service listens and is reached. Raises Refusal if the host needs one and has none."""
        node = node or self.here
        others = [user for user in self.nodes if user != node for name in user.services if self._uses(name, service)]
        exposed = node.services[service].exposed
        if not others and not exposed:
            return LOOPBACK
        if not node.settings.private_address:
            why = f"{service}_exposed is True" if exposed else f"{service} is used from {others[0].name}"
            raise Refusal(
                f"{node.name}: {why}, but private_address is not set; give the host the address its peers reach it at"
            )
        return node.settings.private_address

    def answering(self, url: str) -> tuple[Node, str] | None:
        """The host and the service that answer a URL requested on the current host; None if it is none of ours."""
        for node in self.nodes:
            for service in node.services:
                reachable = node == self.here or self.address(service, node) != LOOPBACK
                if reachable and url.startswith(self.url(service, "/", node)):
                    return node, service
        return None

    def _uses(self, user: str, service: str) -> bool:
        return "*" in self.uses[user] or service in self.uses[user]

    def port(self, service: str, name: str = "http", node: Node | None = None) -> Port:
        """A port of a service: the setting `<service>_<name>_port`, at the service's address."""
        node = node or self.here
        return Port(name, getattr(node.services[service], f"{name}_port"), self.address(service, node))

    def target(self, service: str, name: str = "http", node: Node | None = None) -> str:
        """`address:port` of a service."""
        port = self.port(service, name, node)
        return f"{port.address}:{port.number}"

    def url(self, service: str, path: str = "", node: Node | None = None) -> str:
        """`http://address:port/path` of a service."""
        return f"http://{self.target(service, node=node)}{path}"

    @property
    def services(self) -> tuple[str, ...]:
        """Every service that some host carries, by name."""
        return tuple(sorted({service for node in self.nodes for service in node.services}))
