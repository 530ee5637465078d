"""Services on several hosts: addresses come from the inventory, and nothing listens where nobody needs it."""

import re
from pathlib import Path

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


def test_what_a_peer_runs_is_judged_where_it_is_read_and_what_is_declared_elsewhere(
    split: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store runs a stand-in, while another Mimir is declared, which is never deployed."""
    front, store = split.hosts
    declared = tmp_path / "mimir"
    declared.write_text("#!/bin/sh\necho 'Mimir, version 2.11.0 (branch: release)'\n")
    declared.chmod(0o755)
    monkeypatch.setitem(split.env, "LGTM_BINARIES", str(tmp_path))
    for limit, verdict in ([], "unproved"), (["--limit", front.name], "ok"):
        run, record = split.reported("verify.py", *limit, "--data", "patience=60")
        asked = next(one for one in record["hosts"] if one["name"] == front.name)["checks"]
        assert {check["id"]: check["verdict"] for check in asked}["mimir.up.prometheus"] == verdict, run.text
        assert (f"  not read  {store.name} is not part of this run" in run.text) == bool(limit), run.text


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
