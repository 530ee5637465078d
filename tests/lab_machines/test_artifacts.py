"""The artifacts are whole, honest about what they are, and run on a bare host."""

import json
import os
import tarfile
from pathlib import Path

import pytest

from lab import apt, artifacts, prerequisites, tarball
from lab.machines import Host, Lab

MEMBERS = {
    "prometheus": ("prometheus", "promtool"),
    "alertmanager": ("alertmanager", "amtool"),
    "node_exporter": ("node_exporter",),
    "redis_exporter": ("redis_exporter",),
    "mimir": ("mimir",),
    "blackbox_exporter": ("blackbox_exporter",),
    "loki": ("loki",),
    "tempo": ("tempo",),
    "grafana": ("bin/grafana",),
    "alloy": ("alloy",),
}
STAND_INS = {"mimir", "loki", "tempo", "grafana", "alloy"}


def unpack(lab: Lab, host: Host, name: str) -> str:
    """Unpack an artifact on a host, and give its directory there."""
    entry = index(lab)[name]
    content = (lab.layout.artifacts / str(entry["file"])).read_bytes()
    target = host.layout.machines / host.name / "root/opt" / str(entry["file"])
    target.write_bytes(content)
    host.run("sudo", "tar", "--extract", "--file", f"/opt/{target.name}", "--directory", "/opt")
    return f"/opt/{target.name.removesuffix('.tar.gz')}"


def index(lab: Lab) -> dict[str, dict[str, object]]:
    """Read the index as its users do."""
    loaded: dict[str, dict[str, object]] = json.loads((lab.layout.artifacts / "index.json").read_text())
    return loaded


def test_the_index_tells_the_truth(lab: Lab) -> None:
    entries = index(lab)
    assert set(entries) == set(MEMBERS)
    for name, entry in entries.items():
        path = lab.layout.artifacts / str(entry["file"])
        assert tarball.sha256(path) == entry["sha256"]
        assert (entry["source"] == "stand-in") is (name in STAND_INS)
        assert str(entry["version"]) in path.name and f"linux-{entry['arch']}" in path.name


@pytest.mark.parametrize("name", MEMBERS)
def test_archives_have_the_upstream_layout(lab: Lab, name: str) -> None:
    path = lab.layout.artifacts / str(index(lab)[name]["file"])
    with tarfile.open(path) as archive:
        members = {member.name: member for member in archive}
    top = path.name.removesuffix(".tar.gz")
    assert {member.split("/")[0] for member in members} == {top}
    for executable in MEMBERS[name]:
        assert members[f"{top}/{executable}"].mode == 0o755
    assert {(member.uid, member.mtime) for member in members.values()} == {(0, 0)}


def test_the_same_files_make_the_same_archive(tmp_path: Path) -> None:
    digests = []
    for time in (1, 2):
        folder = tmp_path / str(time) / "top"
        (folder / "sub").mkdir(parents=True)
        for name in ("b", "a", "sub/c") if time == 1 else ("sub/c", "a", "b"):
            (folder / name).write_text(name)
            os.utime(folder / name, (time, time))
        tarball.pack(folder, tmp_path / f"{time}.tar.gz")
        digests.append(tarball.sha256(tmp_path / f"{time}.tar.gz"))
    assert digests[0] == digests[1]


def test_a_second_run_makes_and_fetches_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("nothing should be made or fetched")

    monkeypatch.setattr(apt.Archive, "fetch", forbidden)
    monkeypatch.setattr(tarball, "pack", forbidden)
    before = (lab.layout.artifacts / "index.json").stat().st_mtime_ns
    artifacts.ensure(lab.layout)
    assert (lab.layout.artifacts / "index.json").stat().st_mtime_ns == before


def test_an_interrupted_packing_leaves_no_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "top").mkdir()
    monkeypatch.setattr("tarfile.TarFile.add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tarball.pack(tmp_path / "top", tmp_path / "whole.tar.gz")
    assert not (tmp_path / "whole.tar.gz").exists()


@pytest.mark.parametrize("name", MEMBERS)
def test_every_program_starts_on_a_bare_host_and_names_its_version(lab: Lab, host: Host, name: str) -> None:
    folder, version = unpack(lab, host, name), str(index(lab)[name]["version"])
    for program in MEMBERS[name]:
        said = host.ssh(f"{folder}/{program}", "--version")
        assert said.returncode == 0 and version in said.stdout + said.stderr


def test_tools_that_are_there_are_not_installed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("nothing is missing")

    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(prerequisites, "missing", lambda tests: {})
    monkeypatch.setattr(prerequisites, "install", forbidden)
    prerequisites.ensure()


def test_no_two_recipes_have_one_digest() -> None:
    digests = {recipe.name: recipe.digest() for recipe in artifacts.RECIPES}
    assert len(set(digests.values())) == len(digests)
