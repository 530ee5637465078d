"""The workflow for GitHub Actions: it is YAML of the shape that is asked for, and what it runs exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text())
JOBS: dict[str, Any] = WORKFLOW["jobs"]
RUNS = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]


def test_production_comes_after_staging_and_an_approval_and_staging_after_the_tests() -> None:
    assert JOBS["staging"]["needs"] == ["check", "test"] and JOBS["production"]["needs"] == "staging"
    assert JOBS["production"]["environment"] == "production"
    assert JOBS["staging"]["if"] == JOBS["production"]["if"] == "github.event_name == 'push'"


def test_a_forks_pull_request_is_given_no_secrets() -> None:
    assert "head.repo.full_name == github.repository" in JOBS["plan"]["if"]
    assert "pull_request_target" not in str(WORKFLOW)


def test_secrets_reach_files_by_the_environment_and_are_readable_by_nobody_else() -> None:
    for run in RUNS:
        assert "secrets." not in run
        assert "umask 077" in run or not re.search(r">\S*\.env|>~/\.ssh", run)


@pytest.mark.parametrize("run", RUNS)
def test_what_is_run_exists_and_is_shell(run: str) -> None:
    subprocess.run(["sh", "-n"], input=re.sub(r"\$\{\{.*?\}\}", "1", run), text=True, check=True)
    for script in re.findall(r"inventories/\w+\.py|\b\w+\.py\b", run):
        assert (ROOT / script).exists(), script
    targets = re.findall(r"^([a-z.][\w./-]*):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for target in re.findall(r"make ([\w./-]+)", run):
        assert target in targets
