"""Services on several hosts: addresses come from the inventory, and nothing listens where nobody needs it."""

import re

import pytest
from harness import Site, sh

from lab.machines import Host


@pytest.fixture(scope="module")
def split(bare: tuple[Host, ...], tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Mimir on one host, what talks to it on another."""
    _, front, store = bare
    one = ("prometheus", "alertmanager", "node_exporter", "redis_exporter")
    site = Site(tmp_path_factory.mktemp("site"), {front: one, store: ("mimir", "node_exporter")})
    site.deployed()
    return site


def listeners(host: Host) -> set[str]:
    """`address:port` of every TCP listener but sshd's."""
    return {line.split()[3] for line in sh(host, "ss -Hltn").splitlines()} - {"0.0.0.0:22", "[::]:22"}


def test_samples_of_both_hosts_are_read_back_from_mimir(split: Site) -> None:
    run = split.run("verify.py", "--data", "patience=60")
    assert run.code == 0, run.text
    assert "0 failed" in run.text


def test_only_what_a_peer_needs_listens_on_a_private_address(split: Site) -> None:
    front, store = split.hosts
    assert {line for line in listeners(store) if not line.startswith("127.")} == {
        f"{store.address}:9009", f"{store.address}:9100",
    }  # fmt: skip
    assert all(line.startswith("127.") for line in listeners(front)), listeners(front)


def test_a_second_deploy_of_both_hosts_changes_nothing(split: Site) -> None:
    run = split.deploy()
    assert run.code == 0
    assert run.text.count("nothing to do") == 2


def test_when_one_host_fails_no_host_keeps_the_new_generation(split: Site) -> None:
    front, store = split.hosts
    before = [sh(host, "readlink /opt/lgtm/current") for host in split.hosts]
    run = split.deploy(prometheus_log_level="loud", node_exporter_log_level="debug")
    assert run.code == 1, run.text
    assert re.search(r"status=2/INVALIDARGUMENT|One of: \[debug, info, warn", run.text), run.text  # from its journal
    assert sh(front, "readlink /opt/lgtm/current") == before[0]
    assert sh(store, "readlink /opt/lgtm/current") == before[1]
    assert split.dry().code == 0
