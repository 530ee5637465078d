"""Hosts that fetch their artifacts themselves, from a mirror; verified there against artifacts.lock."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import ROOT, Site, active, locked_repository, serving, sh

from lab.machines import Host


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A repository that takes only pinned artifacts, with the lab's node_exporter; and its mirror."""
    root = locked_repository(tmp_path, "node_exporter")
    with serving(tmp_path / "mirror") as url:
        yield root, url


@pytest.fixture
def strict(bare: tuple[Host, ...], mirror: tuple[Path, str], tmp_path: Path) -> Site:
    """A site of that repository."""
    known = json.loads((ROOT / ".lab/artifacts/index.json").read_text())["node_exporter"]
    data = {"artifact_push": False, "allow_unpinned": False, "artifact_mirror": mirror[1],
            "node_exporter_version": known["version"]}  # fmt: skip
    env = {"LGTM_OFFLINE": "", "LGTM_CACHE": str(tmp_path / "cache")}
    return Site(tmp_path, {bare[1]: ("node_exporter",)}, data, mirror[0], env)


def test_a_truncated_download_is_never_unpacked(strict: Site, tmp_path: Path, bare: tuple[Host, ...]) -> None:
    (archive,) = (tmp_path / "mirror").iterdir()
    archive.write_bytes(archive.read_bytes()[:-1000])
    run = strict.deploy()
    assert run.code == 1, run.text
    assert "checksum mismatch: expected" in run.text
    assert sh(bare[1], "ls /opt/lgtm/artifacts; readlink /opt/lgtm/current || true") == ""
    assert sh(bare[1], "test -e /run/lgtm/lock || echo free") == "free"


def test_a_host_downloads_and_verifies_what_the_lock_file_names(strict: Site, bare: tuple[Host, ...]) -> None:
    run = strict.deployed()
    assert any("(pinned)" in line for line in run.plan("artifact")), run.text
    assert active(bare[1]) == {"node_exporter": "active"}
    assert sh(bare[1], "ls ~operator") == ""
