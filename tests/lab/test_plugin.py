"""The tutorial's service, in a package outside the repository, found by its entry point."""

import os
import shutil
import tarfile
from pathlib import Path

import pytest
from harness import ROOT, Site, active, sh

from lab.machines import Host

PAGE = (ROOT / "docs" / "task-module.md").read_text()
MODULE = PAGE.partition("```python\n")[2].partition("```")[0]  # the tutorial's


@pytest.fixture(scope="module")
def host(bare: tuple[Host, ...]) -> Host:
    return bare[2]


@pytest.fixture(scope="module")
def site(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "hello_lgtm.py").write_text(MODULE)
    info = folder / "hello_lgtm-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hello-lgtm\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lgtm.tasks]\nhello = hello_lgtm\n")
    env = {
        "PYTHONPATH": str(folder),
        "LGTM_BINARIES": str(_binaries(folder / "binaries")),
        "LGTM_CACHE": str(folder / "cache"),
    }
    return Site(tmp_path_factory.mktemp("site"), {host: ("hello",)}, env=env)


def _binaries(folder: Path) -> Path:
    """A folder of executables that somebody built: here, one that the lab's archive holds."""
    folder.mkdir()
    [archive] = (ROOT / ".lab" / "artifacts").glob("node_exporter-*.tar.gz")
    with tarfile.open(archive) as tar:
        [member] = [name for name in tar.getnames() if name.endswith("/node_exporter")]
        source = tar.extractfile(member)
        assert source
        with (folder / "node_exporter").open("wb") as target:
            shutil.copyfileobj(source, target)
    os.chmod(folder / "node_exporter", 0o755)
    return folder


def test_a_plugin_is_deployed_from_a_folder_of_binaries(site: Site, host: Host) -> None:
    run = site.deployed(hello_greeting="moin")
    assert "(unpinned: LGTM_BINARIES)" in run.text
    assert active(host) == {"hello": "active"}
    assert sh(host, "cat /opt/lgtm/current/etc/hello/greeting") == "moin"
    assert sh(host, "stat -c %U /data/hello") == "lgtm-hello"
    assert "node_exporter_build_info" in sh(host, "curl -s 127.0.0.1:9555/metrics")


def test_its_settings_are_checked_like_any_other(site: Site) -> None:
    run = site.dry(hello_greting="moin")
    assert run.code == 3
    assert "unknown setting hello_greting; did you mean hello_greeting?" in run.text


def test_a_second_deploy_of_a_plugin_changes_nothing(site: Site) -> None:
    assert "nothing to do" in site.deployed(hello_greeting="moin").text
