"""A service that left the inventory, data that is not as it should be: said, and mended only when asked."""

from __future__ import annotations

import time

import pytest
from harness import Site, current, sh

from lab.machines import Host


@pytest.fixture(scope="module")
def services() -> tuple[str, ...]:
    return "prometheus", "node_exporter"


def test_a_service_is_removed_only_when_it_is_named(converged: Site, host: Host) -> None:
    before = current(host)
    converged.hosts[host] = ("prometheus",)
    run = converged.deploy()
    assert run.code == 3, run.text
    assert "node_exporter is installed, but this host is not in its group" in run.text
    assert "--data remove=node_exporter" in run.text
    assert current(host) == before and sh(host, "systemctl is-active lgtm-node_exporter") == "active"
    run = converged.deploy("--data", "remove=node_exporter")
    assert run.code == 0, run.text
    assert sh(host, "systemctl is-active lgtm-node_exporter || true") == "inactive"
    converged.hosts[host] = ("prometheus", "node_exporter")
    converged.deployed()


def test_ten_thousand_files_get_their_owner_back_and_nothing_else(converged: Site, host: Host) -> None:
    make = "mkdir -p /data/prometheus/many && cd /data/prometheus/many && seq 10000 | split -l 1 -a 4 - f"
    sh(host, f"{make} && chown -R root:root . && find . -type f -exec touch -d 2020-01-02 {{}} +")
    told = "cd /data/prometheus/many && find . -type f -printf '%p %T@ ' -exec sha256sum {} + | sort | sha256sum"
    before = sh(host, told)
    dry = converged.run("repair.py", "--dry")
    assert dry.code == 2 and "and 10000 more" in dry.text, dry.text
    run = converged.run("repair.py")
    assert run.code == 0, run.text
    assert sh(host, told) == before
    assert sh(host, "find /data/prometheus ! -user lgtm-prometheus | wc -l") == "0"
    assert converged.run("repair.py").code == 0
    began = time.monotonic()
    sh(host, "chown -R root:root /data/prometheus/many")
    sh(host, "find /data/prometheus -xdev ! -user lgtm-prometheus -exec chown -h lgtm-prometheus:lgtm-prometheus {} +")
    assert time.monotonic() - began < 10
    sh(host, "rm -rf /data/prometheus/many")


def test_no_data_is_written_below_a_mount_point_that_is_not_mounted(converged: Site, host: Host) -> None:
    before = current(host)
    run = converged.deploy(mounts=["/data"])
    assert run.code == 3 and "/data should be a mount point (setting mounts), but nothing is" in run.text
    assert current(host) == before
    run = converged.deploy(mounts=["/elsewhere"])
    assert run.code == 3 and "no service keeps data below /elsewhere" in run.text


def test_a_full_and_a_read_only_file_system_are_named(converged: Site, host: Host) -> None:
    sh(
        host,
        "systemctl stop lgtm-prometheus; mount -t tmpfs -o size=64M tmpfs /data/prometheus",
    )
    try:
        run = converged.deploy()
        assert run.code == 3 and "the file system at /data/prometheus is full" in run.text, run.text
        sh(host, "mount -o remount,ro /data/prometheus")
        run = converged.deploy()
        assert run.code == 3 and "the file system at /data/prometheus is read-only" in run.text, run.text
    finally:
        sh(host, "umount /data/prometheus")
    converged.deployed()
