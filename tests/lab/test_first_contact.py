"""What a newcomer gets wrong before anything has worked: one sentence with its remedy, and an exit code that says so.

Wrong settings and secrets are in test_refusals.py, unfit hosts in test_checklist.py.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness import ROOT, Site, active, checkout, sh

from lab.machines import Host


@pytest.fixture(scope="module")
def services() -> tuple[str, ...]:
    return ("node_exporter",)


@pytest.fixture(scope="module")
def folder(site: Site, host: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys and known hosts that are no good, and users who may not become root."""
    folder = tmp_path_factory.mktemp("wrong")
    for name, phrase in (("stranger", ""), ("locked", "secret")):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", phrase, "-f", folder / name], check=True)
    (folder / "letter").write_text("Dear key,\n")
    (folder / "nobody").write_text("")
    key = (folder / "stranger.pub").read_text().split()[1]
    (folder / "changed").write_text(f"{host.address} ssh-ed25519 {key}\n")
    sh(host, "useradd -m guest; useradd -m asked; echo 'asked ALL=(ALL) ALL' >/etc/sudoers.d/asked")
    return folder


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("ssh_key=nothing", "No such private key file: nothing; correct ssh_key, or leave it out"),
        ("ssh_key={folder}/letter", "Invalid private key file: .*letter; correct ssh_key"),
        ("ssh_key={folder}/stranger", "Authentication failed.*; ssh with this login must work without a prompt"),
        ("ssh_key={folder}/locked", "; a key with a passphrase needs an agent: run ssh-add"),
        ("ssh_port=2222", "Unable to connect to port 2222 .*; check that the host is up"),
        ("ssh_hostname=198.18.0.99", "Unable to connect to port 22 on 198.18.0.99.*; check that the host is up"),
        ("ssh_hostname=no.such.host.invalid", "Could not resolve hostname .*; correct the name"),
        ("ssh_known_hosts_file={folder}/nobody", "found in known_hosts.*; log in by hand once"),
        ("ssh_known_hosts_file={folder}/changed", "does not match.*; its key has changed: if the host was reinstalled"),
        ("ssh_user=guest", "sudo on lab2 asks for a password: give guest NOPASSWD sudo"),
        ("ssh_user=asked", "sudo on lab2 asks for a password: give asked NOPASSWD sudo"),
    ],
    ids=["no key", "not a key", "wrong key", "passphrase", "wrong port", "host down", "no such name", "unknown host",
         "another host", "no sudo", "sudo asks"],
)  # fmt: skip
def test_a_login_that_fails_is_told_with_what_to_do(site: Site, folder: Path, data: str, sentence: str) -> None:
    run = site.dry("--data", data.format(folder=folder))
    assert run.code == 1, run.text
    last = run.text.strip().splitlines()[-1]
    assert re.search(sentence, last) and "lab2" in last, run.text
    assert "Traceback" not in run.text


def typed(*words: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> tuple[int, str]:
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, env=os.environ | (env or {}), capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=240,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


PYINFRA = Path(sys.executable).parent / "pyinfra"


@pytest.mark.parametrize("script", ["deploy.py", "rollback.py", "backup.py"])
def test_another_directory_is_told(site: Site, tmp_path: Path, script: str) -> None:
    site.dry()  # which writes the inventory
    login = [f"ssh_user=operator ssh_key={ROOT}/.lab/id_ed25519 ssh_known_hosts_file={ROOT}/.lab/known_hosts"]
    data = [word for one in login[0].split() for word in ("--data", one)]
    code, text = typed(PYINFRA, "-y", *data, site.folder / "lab.py", ROOT / script, "--dry", cwd=tmp_path)
    assert code == 1
    assert "run pyinfra in the directory of config.py and group_data: cd there, and run again" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("inventories/nothere.py", "deploy.py"), 64, "inventory inventories/nothere.py does not exist"),
        (("inventories", "deploy.py"), 64, "inventory inventories is a directory: name a file in it"),
        (("inventories/one.py", "deplyo.py"), 1, "No deploy file: deplyo.py"),
        (("inventories/one.py", "deploy.py", "--limit", "nobody"), 64, "nobody"),
    ],
    ids=["no such inventory", "a directory", "no such run", "no such host"],
)
def test_a_command_that_names_nothing_is_told(words: tuple[str, ...], code: int, sentence: str) -> None:
    got, text = typed(PYINFRA, "-y", *words)
    assert (got, "Traceback" in text) == (code, False), text
    assert sentence in text


def test_an_old_python_is_told(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\ncase $2 in *version_info*) exit 1;; esac\n")
    old.chmod(0o755)
    code, text = typed("make", f"PYTHON={old}", "venv", cwd=tmp_path)
    assert code != 0
    assert "Python 3.11 or newer is needed; name one with make PYTHON=python3.11" in text


def test_the_quickstart_ends_with_a_verified_stack(host: Host, tmp_path: Path) -> None:
    """docs/quickstart.md as it stands, but for the address, the login, and where the lab's artifacts come from."""
    root = checkout(tmp_path / "repository")
    text = (ROOT / "inventories/one.py").read_text()
    (root / "inventories/one.py").write_text(text.replace("192.0.2.7", host.address))
    lab = (ROOT / "group_data/lab.py").read_text()
    login = "".join(line for line in lab.splitlines(True) if line.startswith(("ssh_", "allow_", "artifact_")))
    (root / "group_data/one.py").write_text((ROOT / "group_data/one.py").read_text() + login)
    (root / ".env.one").write_text("GRAFANA_ADMIN_PASSWORD=correct-horse-battery\n")
    (root / ".env.one").chmod(0o600)
    run = [PYINFRA, "inventories/one.py"]
    env = {"LGTM_OFFLINE": "1", "PYINFRA_PROGRESS": "off"}
    looked = typed(*run, "deploy.py", "--dry", cwd=root, env=env)
    assert looked[0] == 2, looked[1]
    done = typed(*run, "deploy.py", "-y", cwd=root, env=env)
    assert done[0] == 0, done[1]
    well = typed(*run, "verify.py", "--data", "patience=120", cwd=root, env=env)
    assert well[0] == 0, well[1]
    assert "8 services" in sh(host, "echo $(wc -l </opt/lgtm/current/order) services")
    assert "nothing to do" in typed(*run, "deploy.py", cwd=root, env=env)[1]


def test_a_host_behind_a_bastion_is_reached_by_way_of_it(bare: tuple[Host, ...], tmp_path: Path) -> None:
    """ssh's own ProxyJump, as it stands in the operator's ~/.ssh/config."""
    host, bastion = bare[1], bare[2]
    login = f"User operator\nIdentityFile {ROOT}/.lab/id_ed25519\nUserKnownHostsFile {ROOT}/.lab/known_hosts\n"
    door = f"Host door\nHostName {bastion.address}\n{login}"
    (tmp_path / "ssh_config").write_text(f"{door}Host behind\nHostName {host.address}\nProxyJump door\n{login}")
    data = {"ssh_config_file": str(tmp_path / "ssh_config"), "ssh_hostname": "behind"}
    site = Site(tmp_path, {host: ("node_exporter",)}, data)
    run = site.deployed()
    assert active(host) == {"node_exporter": "active"}, run.text
    came_from = (
        "journalctl -b -o cat -t sshd -t sshd-session | sed -n 's/^Accepted publickey.* from \\([0-9.]*\\) .*/\\1/p'"
    )
    assert set(sh(host, came_from).split()) == {bastion.address}
    assert "nothing to do" in site.deployed().text
