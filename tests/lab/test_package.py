"""Used from elsewhere: as an installed package in a repository of one's own, and as a bundle without internet."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import ROOT, Site, active, locked_repository, serving

from lab.machines import Host

FILE = re.compile(r"^`([\w./]+)`:\n\n```python\n(.*?)```", flags=re.MULTILINE | re.DOTALL)
DEPENDENCIES = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
WATCH = """
import os, sys

def watch(event, details):
    if event == "socket.connect" and isinstance(details[1], tuple) or event == "socket.getaddrinfo":
        with open(os.environ["WATCHED"], "a") as file:
            print(details[1][:2] if event == "socket.connect" else details[0], file=file)

sys.addaudithook(watch)
"""


@pytest.fixture(scope="module")
def services() -> tuple[str, ...]:
    return ("node_exporter",)


def ran(*command: object, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=os.environ | env, text=True, capture_output=True, timeout=300,
        close_fds=False,  # one of them leads out of a worker's network
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fetched(*command: object, cwd: Path) -> None:
    """Run pip where there is an index: in a worker, whose network is a lab's, that is outside."""
    way_out = ("nsenter", f"--net=/proc/self/fd/{os.environ['LGTM_OUTSIDE']}") if "LGTM_OUTSIDE" in os.environ else ()
    ran(*way_out, sys.executable, "-m", "pip", *command, "-q", "--disable-pip-version-check", cwd=cwd)


@pytest.fixture(scope="module")
def own(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A repository of one's own: the files of docs/own-repository.md, other tasks and templates, the wheel."""
    root, installed = tmp_path_factory.mktemp("own"), tmp_path_factory.mktemp("installed")
    for name, text in FILE.findall((ROOT / "docs" / "own-repository.md").read_text()):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    for folder in ("tasks", "lab"):
        (root / folder).mkdir()
        (root / folder / "__init__.py").write_text("raise SystemExit('somebody imported what is not theirs')\n")
    (root / "templates" / "node_exporter").mkdir(parents=True)
    shutil.copy(ROOT / "group_data" / "lab.py", root / "group_data" / "lab.py")
    for name in (".lab", ".env.lab"):
        (root / name).symlink_to(ROOT / name)
    fetched("wheel", "--no-deps", "--wheel-dir", installed, ROOT, cwd=root)
    fetched("install", "--no-deps", "--target", installed / "site", *installed.glob("*.whl"), cwd=root)
    return Site(
        tmp_path_factory.mktemp("site"),
        {host: ("node_exporter",)},
        root=root,
        env={"PYTHONPATH": str(installed / "site")},
    )


def test_a_repository_of_ones_own_deploys_and_verifies_with_the_installed_package(own: Site, host: Host) -> None:
    run = own.deployed()
    assert active(host) == {"node_exporter": "active"}
    assert "nothing to do" in own.deployed().text
    assert own.run("verify.py", patience=30).code == 0, run.text


def test_the_package_has_the_tasks_and_no_lab(own: Site) -> None:
    where = "import importlib.util as u; from lgtm.load.plugins import OWN; print(OWN, u.find_spec('lgtm.lab'))"
    assert ran(sys.executable, "-c", where, cwd=own.root, **own.env).split() == ["lgtm.tasks", "None"]


@pytest.fixture(scope="module")
def bundle(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A bundle for one host, made in a committed checkout that has a mirror, and the inventory it is made for."""
    folder = tmp_path_factory.mktemp("bundle")
    root = locked_repository(folder, "node_exporter")
    with serving(folder / "mirror") as mirror:
        known = json.loads((ROOT / ".lab/artifacts/index.json").read_text())["node_exporter"]
        data = {"ssh_hostname": host.address, "artifact_mirror": mirror, "allow_unpinned": False,
                "node_exporter_version": known["version"]}  # fmt: skip
        (root / "inventories/lab.py").write_text(f"node_exporter = [({host.name!r}, {data!r})]\n")
        git = ("git", "-c", "user.name=a", "-c", "user.email=a@b")
        ran(*git, "init", "-q", cwd=root)
        (root / ".git/info/exclude").write_text(".lab\n")
        for command in (["add", "."], ["commit", "-q", "-m", "one"]):
            ran(*git, *command, cwd=root)
        # pip's index is a folder, where it found in its own index what a bundle needs.
        pins = folder / "pins.txt"
        pins.write_text(ran(sys.executable, "-m", "pip", "freeze", "--exclude", "pyinfra-lgtm", cwd=root))
        fetched("wheel", "--wheel-dir", folder / "index", "--constraint", pins, *DEPENDENCIES, cwd=root)
        said = ran(sys.executable, "-m", "lgtm.tools.bundle", "inventories/lab.py", cwd=root, PYTHONPATH=str(root),
                   LGTM_OFFLINE="", LGTM_CACHE=str(folder / "cache"), PIP_NO_INDEX="1",
                   PIP_FIND_LINKS=str(folder / "index"))  # fmt: skip
    assert f"node_exporter {known['version']} for amd64, sha256 {known['sha256']}" in said
    yield root / "pyinfra-lgtm-bundle.tar"


def test_a_deploy_from_a_bundle_touches_no_network_but_ssh(bundle: Path, host: Host, tmp_path: Path) -> None:
    with tarfile.open(bundle) as archive:
        archive.extractall(tmp_path, filter="data")
    root = tmp_path / "pyinfra-lgtm"
    assert not [path for path in root.rglob("*") if path.name.startswith(".env.") and path.name != ".env.example"]
    venv.create(root / ".venv", with_pip=True)
    ran(root / ".venv/bin/pip", "install", "-q", "--no-index", *(root / "bundle/wheels").glob("*.whl"), cwd=root)
    for name in (".lab", ".env.lab"):
        (root / name).symlink_to(ROOT / name)
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch/sitecustomize.py").write_text(WATCH)
    watched = tmp_path / "watched"
    said = ran(root / ".venv/bin/pyinfra", "-y", "inventories/lab.py", "deploy.py", cwd=root, WATCHED=str(watched),
               PYTHONPATH=str(tmp_path / "watch"), LGTM_CACHE="/nowhere")  # fmt: skip
    assert active(host) == {"node_exporter": "active"}, said
    assert set(watched.read_text().splitlines()) - {host.address} == {f"('{host.address}', 22)"}


def test_a_bundle_is_a_commit(bundle: Path) -> None:
    root = bundle.parent
    (root / "deploy.py").write_text((root / "deploy.py").read_text() + "\n")
    command = [sys.executable, "-m", "lgtm.tools.bundle", "inventories/lab.py"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(root)})
    assert done.returncode == 3
    assert "a bundle contains a commit, and this is none: not committed: deploy.py; commit first" in done.stderr
