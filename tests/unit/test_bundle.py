"""What a bundle is made for, and what is refused; that one deploys is shown in tests/lab/test_package.py.

In processes of their own, as pyinfra's command line makes every socket and thread of its process gevent's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DECLARED = (
    "import sys; from lgtm.tools import bundle; print(*sorted('-'.join(one) for one in bundle.declared(sys.argv[1])))"
)
ONE = "_vm = ('vm', {'environment': 'one', 'arch': 'arm64', 'node_exporter_version': '1.9.1'})\n"


def python(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=60)


def declared(inventory: str | Path) -> list[str]:
    done = python("-c", DECLARED, inventory)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("name", ["one", "staging", "prod"])
def test_the_examples_carry_the_whole_stack(name: str) -> None:
    carried = {one.split("-")[0] for one in declared(f"inventories/{name}.py")}
    assert {"prometheus", "alertmanager", "mimir", "loki", "tempo", "grafana", "alloy", "node_exporter"} <= carried


def test_a_hosts_version_and_processor_decide_what_is_bundled(tmp_path: Path) -> None:
    (tmp_path / "site.py").write_text(f"{ONE}node_exporter = [_vm]\n")
    assert declared(tmp_path / "site.py") == ["node_exporter-1.9.1-arm64"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("node_exporter = ['vm']\n", "vm: environment is not set"),
        (f"{ONE}node_exportr = [_vm]\n", "vm: group node_exportr has no task module; did you mean node_exporter?"),
        (f"{ONE}all = [_vm]\n", "has no host with a service"),
        (None, "site.py is not an inventory file: name one"),
    ],
    ids=["no environment", "misspelt", "nothing", "no file"],
)
def test_an_inventory_that_makes_no_bundle_is_refused(tmp_path: Path, text: str | None, sentence: str) -> None:
    if text is not None:
        (tmp_path / "site.py").write_text(text)
    done = python("-c", DECLARED, tmp_path / "site.py")
    assert done.returncode == 1 and sentence in done.stderr.splitlines()[-1]
    assert "lgtm.model.errors.Refusal: " in done.stderr


def test_a_command_without_an_inventory_says_how_it_is_used() -> None:
    done = python("-m", "lgtm.tools.bundle")
    assert done.returncode == 64 and "usage: python -m lgtm.tools.bundle INVENTORY" in done.stderr


def test_what_is_no_commit_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    done = python("-m", "lgtm.tools.bundle", "inventories/one.py", cwd=tmp_path)
    assert done.returncode == 3 and "a bundle contains a commit, and this is none: " in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_tool_that_fails_is_told_with_its_last_words() -> None:
    done = python("-c", "from lgtm.tools import bundle; bundle._run('sh', '-c', 'echo no network >&2; exit 1')")
    assert "LgtmError: `sh -c echo no network >&2; exit 1 …` failed: no network" in done.stderr
