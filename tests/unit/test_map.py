"""The maps of the tree, in README and docs/architecture.md, name what is there, all of it, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
README = (ROOT / "README.md").read_text()
MADE = {"__pycache__", ".git", ".venv", ".lab", ".hypothesis", "bundle", "rendered"}  # by commands, not by people
IN_FULL = ("lgtm", "tasks")  # every module of these is on the map; elsewhere every folder


def rows(page: str) -> dict[str, str]:
    """Folder → what the map says of it: the rows of a table that begin with a folder's name."""
    return dict(re.findall(r"^\| `([\w./-]+)/` \| (.*) \|$", page, flags=re.MULTILINE))


def inside(folder: Path) -> list[Path]:
    """What people wrote there: folders with anything in them, and files."""
    found = [path for path in folder.iterdir() if path.name not in MADE and not path.name.endswith("_cache")]
    return sorted(path for path in found if path.is_file() or any(inside(path)))


def named(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


def needed(root: Path, folder: str) -> set[str]:
    """What the row of a folder must name: its modules and scripts where the map is in full, else its folders."""
    full = folder.split("/")[0] in IN_FULL
    files = {
        path.stem
        for path in inside(root / folder)
        if path.is_file() and full and path.suffix in (".py", ".sh", ".html")
    }
    return (files - {"__init__"}) | {f"{path.name}/" for path in inside(root / folder) if path.is_dir()}


def faults(root: Path, page: str) -> list[str]:
    """What is missing on the map, and what it names that does not exist."""
    table, found = rows(page), []
    top = {path.name for path in inside(root) if path.is_dir()}
    folders = top | {
        str(path.relative_to(root)) for name in IN_FULL for path in (root / name).rglob("*/") if any(inside(path))
    }
    folders = {name for name in folders if not MADE & set(Path(name).parts)}
    found += [f"{name}/ has no row" for name in sorted(folders - table.keys())]
    for folder, text in table.items():
        if not (root / folder).is_dir():
            found.append(f"{folder}/ does not exist")
            continue
        words = named(text)
        found += [f"{folder}/ does not name {name}" for name in sorted(needed(root, folder) - words)]
        exist = needed(root, folder) | {path.name for path in inside(root / folder)}
        found += [f"{folder}/ names {name}, which does not exist" for name in sorted(words - exist)]
    return found


def test_the_map_is_the_tree() -> None:
    assert faults(ROOT, ARCHITECTURE) == []


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ("| `lgtm/` | `model/` |\n| `lgtm/model/` | `plan`, `site` |\n| `tasks/` | `loki` |", []),
        ("| `lgtm/` | `model/` |\n| `lgtm/model/` | `plan` |\n| `tasks/` | `loki` |",
         ["lgtm/model/ does not name site"]),
        ("| `lgtm/` | `model/` |\n| `tasks/` | `loki` |", ["lgtm/model/ has no row"]),
        ("| `lgtm/` | `model/` |\n| `lgtm/model/` | `plan`, `site`, `gone` |\n| `tasks/` | `loki` |",
         ["lgtm/model/ names gone, which does not exist"]),
        ("| `lgtm/` | `model/` |\n| `lgtm/model/` | `plan`, `site` |\n| `tasks/` | `loki` |\n| `old/` | gone |",
         ["old/ does not exist"]),
    ],
)  # fmt: skip
def test_a_map_that_does_not_match_names_its_fault(tmp_path: Path, page: str, fault: list[str]) -> None:
    for name in ("lgtm/__init__.py", "lgtm/model/plan.py", "lgtm/model/site.py", "tasks/loki.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert faults(tmp_path, page) == fault


def test_the_readmes_map_names_every_run_and_every_folder() -> None:
    table = README.partition("## Where things are")[2]
    words = {word for word in named(table) if not word.startswith("make ")}
    runs = {path.name for path in ROOT.glob("*.py")}
    folders = {f"{path.name}/" for path in inside(ROOT) if path.is_dir()}
    assert runs | folders <= words
    inventories = {path.stem for path in (ROOT / "inventories").glob("*.py")}
    assert {word for word in words - inventories if not (ROOT / word).exists()} == set()
