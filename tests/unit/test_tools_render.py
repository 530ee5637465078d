"""Every file of every generation in a folder, with no host and no server asked: what a review reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REDIS = "'redis_exporter_redis_url': 'redis://127.0.0.1:6379'"
ONE = f"_vm = ('vm', {{'environment': 'review', {REDIS}}})\n"


def render(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it in a folder that has this repository's tasks, templates and pins, and settings of its own."""
    for name in ("tasks", "templates", "artifacts.lock", "lgtm"):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    (folder / "config.py").touch()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "LGTM_CACHE": str(folder / "cache")}
    env = {key: value for key, value in env.items() if key not in ("LGTM_BINARIES", "LGTM_OFFLINE")}
    command = [sys.executable, "-m", "lgtm.tools.render", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60)


def inventory(folder: Path, text: str) -> str:
    (folder / "site.py").write_text(text)
    return "site.py"


def test_every_file_of_every_host_lies_in_a_folder_and_secrets_are_masked(tmp_path: Path) -> None:
    (tmp_path / ".env.review").write_text("REDIS_PASSWORD=s3cret-of-redis\n")
    (tmp_path / ".env.review").chmod(0o600)
    two = "_b = ('b', {'environment': 'review'})\nredis_exporter = [_vm]\nnode_exporter = [_vm, _b]\n"
    done = render(tmp_path, inventory(tmp_path, ONE + two))
    assert done.returncode == 0, done.stderr
    made = {
        path.relative_to(tmp_path / "rendered/site").as_posix(): path for path in tmp_path.glob("rendered/site/**/*")
    }
    assert {"vm/order", "vm/units/lgtm-redis_exporter.service", "b/manifest.json"} <= made.keys()
    assert "b/units/lgtm-redis_exporter.service" not in made
    assert json.loads(made["b/manifest.json"].read_text())["services"].keys() == {"node_exporter"}
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["vm", "b"]
    masked = [path for name, path in made.items() if name.startswith("vm/secrets/redis_exporter/")]
    assert masked and all(path.read_text() == "********\n" for path in masked)
    assert not any("s3cret-of-redis" in path.read_text() for path in made.values() if path.is_file())


def test_one_host_alone_is_written_and_what_it_no_longer_has_goes(tmp_path: Path) -> None:
    both = "_b = ('b', {'environment': 'review'})\nnode_exporter = [_vm, _b]\n"
    assert render(tmp_path, inventory(tmp_path, ONE + both), "b").returncode == 0
    assert [path.name for path in (tmp_path / "rendered/site").iterdir()] == ["b"]
    (tmp_path / "rendered/site/b/old").touch()
    assert render(tmp_path, "site.py", "b").returncode == 0
    assert not (tmp_path / "rendered/site/b/old").exists()


def test_the_same_declaration_is_the_same_files(tmp_path: Path) -> None:
    inventory(tmp_path, f"{ONE}node_exporter = [_vm]\n")
    first, again = (render(tmp_path, "site.py", "--into", name).stdout.split()[1] for name in ("one", "two"))
    assert first == again
    assert subprocess.run(["diff", "-r", tmp_path / "one", tmp_path / "two"], check=False).returncode == 0


def test_without_secrets_those_that_are_needed_are_taken_for_given_and_that_is_said(tmp_path: Path) -> None:
    done = render(tmp_path, inventory(tmp_path, f"{ONE}grafana = [_vm]\n"))
    assert done.returncode == 0, done.stderr
    assert ".env.review is not here" in done.stderr


@pytest.mark.parametrize(
    ("text", "host", "sentence"),
    [
        (f"{ONE}node_exporter = [('vm', {{'environment': 'x', 'node_exporter_http_port': 'x'}})]\n", "",
         "vm: node_exporter_http_port = 'x' must be"),
        (f"{ONE}node_exportr = [_vm]\n", "", "vm: group node_exportr has no task module"),
        ("_a = ('a', {'environment': 'x', 'alertmanager_http_port': 9100})\nalertmanager = node_exporter = [_a]\n", "",
         "_http_port are both 9100; give one of them another port"),
        (f"{ONE}node_exporter = [_vm]\n", "elsewhere", "site.py has no host elsewhere; it has vm"),
        (f"{ONE}node_exporter = [('vm', {{'environment': 'x', 'node_exporter_version': '0.1'}})]\n", "",
         "no sha256 in artifacts.lock, so a deploy is refused: node_exporter 0.1 for amd64"),
    ],
    ids=["a value", "a group", "two ports", "no such host", "no such version"],
)  # fmt: skip
def test_what_is_refused_is_named_without_a_connection(tmp_path: Path, text: str, host: str, sentence: str) -> None:
    done = render(tmp_path, inventory(tmp_path, text), *([host] if host else []))
    assert done.returncode == 3 and sentence in done.stderr, done.stderr
    assert (tmp_path / "rendered").exists() == ("no sha256" in sentence)


@pytest.mark.parametrize(
    ("into", "code", "sentence"),
    [("thesis", 3, "holds something else than generations"), ("", 3, "holds something else than generations"),
     ("thesis/one.txt", 1, "thesis/one.txt: "), ("/proc/x", 1, "/proc/x: ")],
)  # fmt: skip
def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path, into: str, code: int, sentence: str) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/one.txt").write_text("years of work")
    done = render(tmp_path, inventory(tmp_path, f"{ONE}node_exporter = [_vm]\n"), "--into", into)
    assert (done.returncode, done.stdout) == (code, "") and sentence in done.stderr, done.stderr
    assert "name another folder with --into" in done.stderr and "Traceback" not in done.stderr
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["one.txt"]


def test_wrong_usage_a_broken_inventory_and_another_directory_are_sentences(tmp_path: Path) -> None:
    usage = render(tmp_path)
    assert usage.returncode == 64 and "usage:" in usage.stderr
    broken = render(tmp_path, inventory(tmp_path, "this is no Python\n"))
    assert broken.returncode == 3 and "site.py cannot be read: SyntaxError: " in broken.stderr
    (tmp_path / "elsewhere").mkdir()
    command = [sys.executable, "-m", "lgtm.tools.render", str(tmp_path / "site.py")]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    away = subprocess.run(command, cwd=tmp_path / "elsewhere", env=env, capture_output=True, text=True, timeout=60)
    assert away.returncode == 3 and "call this in the directory that config.py and group_data are in" in away.stderr
