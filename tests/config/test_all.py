"""What holds for every service."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from sites import ALL, ONE, ROOT, SECRETS, SPLIT, components, make_site

from lgtm.load.plugins import tasks
from lgtm.model.settings import env_keys

LAYOUTS = pytest.mark.parametrize("hosts", [ONE, SPLIT], ids=["one host", "split"])


@LAYOUTS
def test_no_secret_is_in_a_file_or_a_unit(hosts: Any) -> None:
    found = components(make_site(hosts))
    shown = "".join(repr(one) for one in found) + "".join(f.content for one in found for f in one.files)
    assert not [secret for secret in SECRETS.values() if secret.reveal() in shown]
    placed = [secret.value.reveal() for one in found for secret in one.secrets]
    assert all(any(secret.reveal() in value for value in placed) for secret in SECRETS.values())


def test_no_two_services_share_a_port_on_one_host() -> None:
    ports = [(port.protocol, port.number) for one in components(make_site()) for port in one.ports]
    assert len(set(ports)) == len(ports)
    every = {9090, 9093, 9009, 9095, 7946, 3100, 9096, 3200, 9097, 4317, 4318, 3000, 12345, 9100, 9121, 9115}
    assert every == {number for _, number in ports}


def test_one_host_listens_on_loopback_only() -> None:
    assert {port.address for one in components(make_site()) for port in one.ports} == {"127.0.0.1"}


def test_split_hosts_open_what_peers_use_and_no_more() -> None:
    site = make_site(SPLIT)
    opened = {
        (node.name, service, port.name, port.address)
        for node in site.nodes
        for service, settings in node.services.items()
        for port in tasks()[service].component(settings, site.at(node)).ports
        if port.address != "127.0.0.1"
    }
    ports = {"mimir": ["http"], "loki": ["http"], "alloy": ["http"], "node_exporter": ["http"]}
    ports |= {"tempo": ["http", "otlp_grpc", "otlp_http"]}
    assert opened == {("store", service, name, "192.0.2.12") for service in ports for name in ports[service]}


@LAYOUTS
def test_nothing_asks_dns_for_localhost_or_listens_everywhere(hosts: Any) -> None:
    for one in components(make_site(hosts)):
        for text in (*one.unit.command, one.ready, *(file.content for file in one.files)):
            assert "localhost" not in text
            assert "0.0.0.0" not in text


@LAYOUTS
def test_every_check_has_an_id_of_its_own_and_a_remedy(hosts: Any) -> None:
    site = make_site(hosts)
    for node in site.nodes:
        found = [
            check
            for service, settings in node.services.items()
            for check in tasks()[service].checks(settings, site.at(node))
        ]
        assert len({check.id for check in found}) == len(found)
        schemes = ("http://", "https://", "smtp://", "redis://", "dns://")
        assert all(check.remedy and check.url.startswith(schemes) for check in found)


def test_every_exception_from_the_hardening_has_a_reason() -> None:
    for one in components(make_site()):
        assert bool(one.unit.relax) == bool(one.unit.reason), one.service


def test_rendering_is_the_same_every_time() -> None:
    assert all(first == second for first, second in itertools.pairwise([components(make_site())] * 3))
    assert components(make_site()) == components(make_site())


def test_every_environment_key_is_explained_in_the_example() -> None:

    keys = {env.key for task in tasks().values() for env in env_keys(task.settings).values()}
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert keys <= {line.partition("=")[0] for line in lines}


def test_every_service_is_limited_by_its_settings() -> None:
    data = {f"{one}_{name}": value for one in ALL for name, value in
            {"memory_max": 2**30, "cpu_cores": 1.5, "ready_timeout": 77, "stop_timeout": 88}.items()}  # fmt: skip
    for one in components(make_site(**data)):
        assert (one.unit.memory_max, one.unit.cpu_cores) == (2**30, 1.5), one.service
        assert (one.ready_timeout, one.unit.stop_timeout) == (77, 88), one.service
