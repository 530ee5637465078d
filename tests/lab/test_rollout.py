"""Staging proves a release, production takes it host by host: two hosts of staging, three of production."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harness import ROOT, Run, checkout, current, fresh, sh

from lab.machines import Host, Lab

HOSTS = {"staging": (1, 2), "prod": (3, 4, 5)}
SETTINGS = {"staging": "", "prod": 'promote_from = "staging"\npromote_soak = "2s"\nrollout_batch = 2\n'}
FLAG = '                f"--log.level={settings.log_level}",'  # of node_exporter, where a release adds one of its own
# What is particular to one production host, and no test on staging could have found: it does not start with a new flag.
PARTICULAR = """
mkdir -p /etc/systemd/system/lgtm-node_exporter.service.d
cat >/etc/systemd/system/lgtm-node_exporter.service.d/particular.conf <<'END'
[Service]
ExecStartPre=/bin/sh -c "! grep -q tcpstat /opt/lgtm/current/units/lgtm-node_exporter.service"
END
systemctl daemon-reload
"""


@dataclass
class Repository:
    """A clone of this repository with two environments, and what is run from it."""

    root: Path
    hosts: dict[str, list[Host]]

    def release(self, old: str, new: str, path: str = "tasks/node_exporter.py") -> None:
        """Change a file, and commit it."""
        text = (self.root / path).read_text()
        assert old in text
        (self.root / path).write_text(text.replace(old, new))
        self.commit()

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "a release")

    def git(self, *words: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=self.root, check=True)

    def run(self, *words: str) -> Run:
        environ = os.environ | {"PYINFRA_PROGRESS": "off", "LGTM_OFFLINE": "1"}
        done = subprocess.run(
            words, cwd=self.root, env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=400
        )
        return Run(done.returncode, done.stdout + done.stderr)

    def pyinfra(self, inventory: str, script: str, *flags: str) -> Run:
        program = str(Path(sys.executable).parent / "pyinfra")
        return self.run(program, "-y", f"inventories/{inventory}.py", script, *flags)

    def rollout(self, *flags: str) -> tuple[Run, dict[str, Any]]:
        report = self.root.parent / "report.json"
        run = self.run(sys.executable, "-m", "lgtm.tools.rollout", "--json", str(report), *flags)
        return run, json.loads(report.read_text())

    def generations(self, environment: str) -> list[str]:
        return [current(host) for host in self.hosts[environment]]


@pytest.fixture(scope="module")
def machines(lab: Lab) -> Iterator[tuple[Host, ...]]:
    with fresh(lab, *range(1, 6)) as hosts:
        yield hosts


@pytest.fixture(scope="module")
def repository(machines: tuple[Host, ...], tmp_path_factory: pytest.TempPathFactory) -> Repository:
    root = checkout(tmp_path_factory.mktemp("repository") / "tree")
    (root / ".gitignore").write_text(".lab\n.env*\n__pycache__/\n")
    hosts = {name: [machines[number - 1] for number in numbers] for name, numbers in HOSTS.items()}
    shared = (ROOT / "group_data" / "lab.py").read_text()
    for name, some in hosts.items():
        data = {"ssh_hostname": None, "private_address": None}
        listed = [(host.name, {**data, "ssh_hostname": host.address, "private_address": host.address}) for host in some]
        services = f"prometheus = {listed[:1]!r}\nnode_exporter = {listed!r}\n"
        (root / "inventories" / f"{name}.py").write_text(services)
        text = shared.replace('environment = "lab"', f'environment = "{name}"') + SETTINGS[name]
        (root / "group_data" / f"{name}.py").write_text(text)
        shutil.copy(ROOT / ".env.lab", root / f".env.{name}")
    found = Repository(root, hosts)
    found.git("init", "-q")
    found.commit()
    return found


def test_production_refuses_what_staging_has_not_proved(repository: Repository) -> None:
    refused = repository.pyinfra("prod", "deploy.py")
    assert refused.code == 3 and "this release does not run there" in refused.text, refused.text
    assert "deploy it to staging first" in refused.text and "promote=force" in refused.text
    assert repository.generations("prod") == ["", "", ""]


def test_a_good_release_goes_all_the_way(repository: Repository, tmp_path: Path) -> None:
    run, report = repository.rollout("--html", str(tmp_path / "a.html"))
    assert run.code == 0, run.text
    assert all(repository.generations("staging")) and all(repository.generations("prod"))
    names = [(step["name"], step["hosts"]) for step in report["steps"]]
    assert [name for name, _ in names][:3] == ["Staging: deploy", "Staging: verify", "Production: what will change"]
    deployed = [hosts for name, hosts in names if name == "Production: deploy"]
    assert deployed == [["lab3"], ["lab4", "lab5"]]
    assert len(report["hosts"]) == 5 and "Production: verify all" in (tmp_path / "a.html").read_text()


def test_the_same_release_again_changes_nothing(repository: Repository) -> None:
    before = repository.generations("prod")
    run, report = repository.rollout()
    assert run.code == 0 and repository.generations("prod") == before, run.text
    assert "Production: deploy" not in [step["name"] for step in report["steps"]]


def test_what_is_not_committed_is_refused(repository: Repository) -> None:
    (repository.root / "tasks" / "node_exporter.py").open("a").write("\n# a change\n")
    (repository.root / "group_data" / "prod.py").open("a").write('node_exporter_log_level = "warn"\n')
    run = repository.pyinfra("prod", "deploy.py")
    repository.git("checkout", "-q", ".")
    assert run.code == 3 and "not committed: group_data/prod.py, tasks/node_exporter.py" in run.text, run.text


def test_a_release_that_breaks_on_staging_never_reaches_production(repository: Repository) -> None:
    before = repository.generations("prod")
    repository.release(FLAG, f'{FLAG}\n                "--no-such-flag",')
    run, report = repository.rollout()
    repository.release(f'{FLAG}\n                "--no-such-flag",', FLAG)
    assert run.code == 1 and repository.generations("prod") == before, run.text
    assert [step["name"] for step in report["steps"]] == ["Staging: deploy"]
    assert any("no-such-flag" in sentence or "node_exporter" in sentence for sentence in report["sentences"]), report
    again = repository.pyinfra("staging", "deploy.py")
    assert again.code == 0, again.text


def test_a_release_that_breaks_on_the_first_production_host_stops_there(repository: Repository) -> None:
    before = repository.generations("prod")
    first, *others = repository.hosts["prod"]
    sh(first, PARTICULAR)
    repository.release(FLAG, f'{FLAG}\n                "--collector.tcpstat",')
    run, report = repository.rollout()
    assert run.code == 1 and repository.generations("prod") == before, run.text
    assert sh(first, "systemctl is-active lgtm-node_exporter") == "active"
    assert "tcpstat" in sh(repository.hosts["staging"][0], "systemctl cat lgtm-node_exporter")
    last = report["steps"][-1]
    assert (last["name"], last["hosts"], last["well"]) == ("Production: deploy", ["lab3"], False)
    assert "reverted to" in run.text and all("lab4" not in step["hosts"] for step in report["steps"] if step["hosts"])
    assert [sh(host, "tail -n 1 /opt/lgtm/log").count('"deploy"') for host in others] == [1, 1]


def test_force_is_in_the_audit_log(repository: Repository) -> None:
    once = repository.pyinfra("prod", "deploy.py", "--limit", "lab5", "--data", "promote=force")
    assert once.code == 3 and "confirm it with --data confirm=prod" in once.text
    twice = repository.pyinfra(
        "prod", "deploy.py", "--limit", "lab5", "--data", "promote=force", "--data", "confirm=prod"
    )
    assert twice.code == 0, twice.text
    assert "promote=force" in sh(repository.hosts["prod"][2], "tail -n 1 /opt/lgtm/log")


def test_a_staging_that_is_out_of_reach_is_a_refusal(repository: Repository) -> None:
    sh(repository.hosts["staging"][1], "systemctl stop ssh.socket ssh.service 2>/dev/null; systemctl stop sshd; true")
    run = repository.pyinfra("prod", "deploy.py")
    assert run.code == 3 and "staging could not be verified" in run.text and "lab2" in run.text, run.text
