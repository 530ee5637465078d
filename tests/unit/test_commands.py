"""Every command in README and docs: it can be typed, and a test runs it, or it needs what only its reader has."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from lgtm.load.inventory import RunSettings
from lgtm.load.plugins import tasks
from lgtm.model.settings import SiteSettings, keys_of

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TESTS = {path: path.read_text() for path in (ROOT / "tests").rglob("*.py")}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
KEYS = keys_of(RunSettings, "") | keys_of(SiteSettings, "") | {key for task in tasks().values() for key in task.keys}
# What needs machines, accounts or release pages that only the reader has; `17` begins a line of cron's.
READERS = {
    "cp", "chmod", "ssh", "tar", "docker", "mkdir", "printf", "$EDITOR", "cd", "curl", "pip", "17", "make pins",
    "python -m lgtm.tools.pins",
}  # fmt: skip
SHOWN = {  # the others → where they are run, or what they run is
    ".ci/run": ("make demo", "make test", "make lab-down"),
    "tests/lab/test_package.py": ("make venv", "make bundle", "python -m lgtm.tools.bundle"),
    "tests/lab/test_rollout.py": ("make rollout",),
    "tests/unit/test_tools_render.py": ("python -m lgtm.tools.render",),
    "tests/lab_machines/test_command_line.py": ("make lab-up", "make lab-ssh"),
    "bench/__main__.py": ("make bench", "python -m bench"),
    "bench/verify.py": ("python -m bench.verify",),
    "bench/fleet.py": ("python -m bench.fleet",),
    "bench/capacity.py": ("python -m bench.capacity",),
}


def commands() -> list[tuple[str, str]]:
    """(page, command) for every line that somebody may type: four spaces before it, or in a table."""
    found = []
    for page in PAGES:
        text = re.sub(r"```python\n.*?```", "", page.read_text(), flags=re.DOTALL)
        for line in re.findall(r"^ {4,}(\S.*)$", text, flags=re.MULTILINE):
            words = line.split("#")[0].strip()
            first = words.split(" ")[0].removeprefix(".venv/bin/")
            if first in ("pyinfra", "python", "make") or first in READERS:
                found.append((page.name, words.replace(".venv/bin/", "")))
    return sorted(set(found))


def typed(command: str) -> list[str]:
    return shlex.split(re.sub(r"[…<>]", "", command.split("&&")[0]))


PYINFRA = [one for one in commands() if one[1].startswith("pyinfra ")]
OTHERS = [one for one in commands() if not one[1].startswith("pyinfra ")]


def test_there_are_commands() -> None:
    assert len(PYINFRA) > 30 and len(OTHERS) > 20


@pytest.mark.parametrize(("page", "command"), PYINFRA)
def test_a_run_can_be_typed_and_some_test_runs_it(page: str, command: str) -> None:
    words = typed(command)[1:]
    inventory, script = [word for word in words if word.endswith(".py")]
    assert (ROOT / inventory).is_file() and (ROOT / script).is_file()
    called = (f'"{script}"', ".deploy") if script == "deploy.py" else (f'"{script}"',)
    runs = [text for text in TESTS.values() if any(word in text for word in called)]
    assert runs, f"no test runs {script}"
    for key in [words[at + 1].partition("=")[0] for at, word in enumerate(words) if word == "--data"]:
        assert key in KEYS, f"{page}: --data {key} is read by nothing"
        assert any(re.search(rf"\b{key}=|\"{key}\"", text) for text in runs), f"no test runs {script} with {key}"
    for flag in {word for word in words if word.startswith("--")} - {"--data"}:
        assert any(f'"{flag}"' in text for text in TESTS.values()), f"no test gives {flag}"


@pytest.mark.parametrize(("page", "command"), OTHERS)
def test_another_command_exists_and_is_run_somewhere_or_needs_its_reader(page: str, command: str) -> None:
    words = typed(command)
    name = " ".join(words[: {"make": 2, "python": 3}.get(words[0], 1)])
    if words[0] == "make":
        assert words[1] in TARGETS
    elif words[:2] == ["python", "-m"]:
        assert find_spec(words[2])
    where = [path for path, names in SHOWN.items() if name in names and (ROOT / path).is_file()]
    assert name in READERS or where, f"{page}: nothing runs {command}"
