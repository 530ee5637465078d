"""Hosts that fetch their artifacts themselves, from a mirror; verified there against artifacts.lock."""

import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from harness import GATEWAY, ROOT, Site, active, sh

from lab.machines import Host, Lab

FILES = ("config.py", "deploy.py", "artifacts.lock", ".env.example")
FOLDERS = ("tasks", "templates", "group_data")


@pytest.fixture
def mirror(lab: Lab, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address under which lab hosts can fetch what lies in it."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = ThreadingHTTPServer((GATEWAY, 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://{GATEWAY}:{server.server_port}"
    server.shutdown()


@pytest.fixture
def strict(bare: tuple[Host, ...], mirror: tuple[Path, str], tmp_path: Path) -> Site:
    """A site that takes only locked artifacts, and whose lock file has the lab's node_exporter."""
    root = tmp_path / "repository"
    root.mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, root / name)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".lab", ".env.lab"):
        (root / name).symlink_to(ROOT / name)
    known = json.loads((ROOT / ".lab/artifacts/index.json").read_text())["node_exporter"]
    shutil.copy(ROOT / ".lab/artifacts" / known["file"], mirror[0] / known["file"])
    row = f'\n[node_exporter.versions."{known["version"]}"]\namd64 = "{known["sha256"]}"\n'
    lock = (root / "artifacts.lock").read_text()
    if row.splitlines()[1] not in lock:
        (root / "artifacts.lock").write_text(lock + row)
    data = {"artifact_push": False, "allow_unlocked": False, "artifact_mirror": mirror[1],
            "node_exporter_version": known["version"]}  # fmt: skip
    env = {"LGTM_OFFLINE": "", "LGTM_CACHE": str(tmp_path / "cache")}
    return Site(tmp_path, {bare[1]: ("node_exporter",)}, data, root, env)


def test_a_truncated_download_is_never_unpacked(strict: Site, mirror: tuple[Path, str], bare: tuple[Host, ...]) -> None:
    (archive,) = mirror[0].iterdir()
    archive.write_bytes(archive.read_bytes()[:-1000])
    run = strict.deploy()
    assert run.code == 1, run.text
    assert "checksum mismatch: expected" in run.text
    assert sh(bare[1], "ls /opt/lgtm/artifacts; readlink /opt/lgtm/current || true") == ""
    assert sh(bare[1], "test -e /run/lgtm/lock || echo free") == "free"


def test_a_host_downloads_and_verifies_what_the_lock_file_names(strict: Site, bare: tuple[Host, ...]) -> None:
    run = strict.deployed()
    assert any("(locked)" in line for line in run.plan("artifact")), run.text
    assert active(bare[1]) == {"node_exporter": "active"}
    assert sh(bare[1], "ls ~operator") == ""
