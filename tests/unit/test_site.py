"""The site: who listens where, at which address a service is reached, and settings by type."""

from __future__ import annotations

from pathlib import Path

import pytest

from lgtm.model.errors import Refusal
from lgtm.model.settings import PortNumber, ServiceSettings, SiteSettings
from lgtm.model.site import Node, Scrape, Site

USES = {"store": (), "writer": ("store",), "watcher": ("*",), "idle": ()}


class Common(ServiceSettings):
    version: str = "1"
    http_port: PortNumber = 9000
    grpc_port: PortNumber = 9001


def node(name: str, *services: str, address: str | None = None) -> Node:
    return Node(name, SiteSettings(environment="test", private_address=address), {one: Common() for one in services})


def site(*nodes: Node) -> Site:
    return Site(nodes, nodes[0], USES, {name: Scrape() for name in USES}, Path("/"))


def test_what_only_its_own_host_uses_listens_on_loopback() -> None:
    assert site(node("a", "store", "writer", "watcher", address="192.0.2.1")).address("store") == "127.0.0.1"


@pytest.mark.parametrize("user", ["writer", "watcher"])
def test_what_a_peer_uses_listens_on_its_own_hosts_private_address(user: str) -> None:
    a, b = node("a", "store", address="192.0.2.1"), node("b", user, address="192.0.2.2")
    here = site(a, b)
    assert here.address("store") == "192.0.2.1"
    assert here.at(b).address("store", a) == "192.0.2.1"
    assert here.at(b).address(user) == "127.0.0.1"


def test_what_no_peer_uses_listens_on_loopback() -> None:
    assert site(node("a", "store"), node("b", "idle")).address("store") == "127.0.0.1"


def test_one_service_on_two_hosts_is_judged_on_each_alone() -> None:
    a, b = node("a", "idle", "watcher", address="192.0.2.1"), node("b", "idle", address="192.0.2.2")
    here = site(a, b)
    assert (here.address("idle", a), here.address("idle", b)) == ("127.0.0.1", "192.0.2.2")


def test_a_host_without_private_address_cannot_serve_its_peers() -> None:
    with pytest.raises(Refusal, match=r"^a: store is used from b, but private_address is not set; give the host"):
        site(node("a", "store"), node("b", "writer")).address("store")


def test_an_exposed_service_listens_on_the_private_address_without_a_peer() -> None:
    exposed = Node("a", SiteSettings(environment="test", private_address="192.0.2.1"), {"idle": Common(exposed=True)})
    assert site(exposed).address("idle") == "192.0.2.1"


def test_an_exposed_service_without_a_private_address_is_refused() -> None:
    exposed = Node("a", SiteSettings(environment="test"), {"idle": Common(exposed=True)})
    with pytest.raises(Refusal, match=r"^a: idle_exposed is True, but private_address is not set"):
        site(exposed).address("idle")


def test_who_answers_a_url_is_found_by_address_and_port() -> None:
    a, b = node("a", "watcher"), node("b", "store", address="192.0.2.2")
    assert site(a, b).answering("http://192.0.2.2:9000/ready") == (b, "store")
    assert site(a, b).answering("http://127.0.0.1:9000/ready") == (a, "watcher")
    assert site(a, b).answering("http://192.0.2.2:90/ready") is None


def test_nobody_ever_listens_on_every_address() -> None:
    nodes = (node("a", "store", "watcher", address="192.0.2.1"), node("b", "writer", address="192.0.2.2"))
    here = site(*nodes)
    assert "0.0.0.0" not in {here.address(service, one) for one in nodes for service in one.services}


def test_the_one_host_of_a_service_is_found_or_is_none() -> None:
    a, b = node("a", "idle"), node("b", "store")
    assert site(a, b).the("store") == b
    assert site(a, b).the("writer") is None


def test_two_hosts_of_a_service_that_is_alone_are_refused_by_name() -> None:
    with pytest.raises(Refusal, match=r"^a, b: store is on 2 hosts, but can only be on one; remove it from the others"):
        site(node("a", "store"), node("b", "store")).the("store")


def test_a_port_is_the_setting_at_the_services_address() -> None:
    here = site(node("a", "store", address="192.0.2.1"), node("b", "writer"))
    assert (here.target("store"), here.target("store", "grpc")) == ("192.0.2.1:9000", "192.0.2.1:9001")
    assert here.url("store", "/ready") == "http://192.0.2.1:9000/ready"


class Kept(ServiceSettings):
    version: str = "1"
    http_port: PortNumber = 9002
    retention: str = "30d"


def test_the_settings_of_a_service_are_found_by_their_type() -> None:
    a, b = node("a", "store"), Node("b", SiteSettings(environment="test"), {"archive": Kept(retention="1y")})
    assert [(host.name, kept.retention) for host, kept in site(a, b).settings_of(Kept)] == [("b", "1y")]


def test_settings_are_found_by_a_base_class_in_inventory_order_and_may_be_none() -> None:
    a, b = node("a", "store", "idle"), Node("b", SiteSettings(environment="test"), {"archive": Kept()})
    assert [host.name for host, _ in site(b, a).settings_of(ServiceSettings)] == ["b", "a", "a"]
    assert site(a).settings_of(Kept) == ()


def test_hosts_and_services_are_listed_in_a_fixed_order() -> None:
    a, b = node("a", "writer", "idle"), node("b", "store", "idle")
    assert site(b, a).carrying("idle") == (b, a)
    assert site(b, a).services == ("idle", "store", "writer")


def test_seen_from_another_host_the_site_is_the_same() -> None:
    a, b = node("a", "store"), node("b", "idle")
    assert site(a, b).at(b).here == b and site(a, b).at(b).nodes == (a, b)
