"""A program's next version: the same, but for what it says of itself."""

import subprocess
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.relabel import next_version


def program(folder: Path, said: str) -> Path:
    path = folder / "alpha"
    path.write_text(f"#!/bin/sh\necho '{said}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(("old", "new"), [("1.11.1", "1.11.2"), ("1.11.9", "1.11.0")])
def test_it_says_another_version_and_is_as_long(tmp_path: Path, old: str, new: str) -> None:
    before = program(tmp_path, f"alpha, version {old} (linux)")
    assert next_version(before, tmp_path / "next") == new
    after = tmp_path / "next" / "alpha"
    assert subprocess.check_output([after], text=True) == f"alpha, version {new} (linux)\n"
    assert (after.stat().st_size, after.stat().st_mode) == (before.stat().st_size, before.stat().st_mode)


def test_a_program_without_a_version_has_no_next_one(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"alpha does not tell its version: 'usage: alpha\\n'"):
        next_version(program(tmp_path, "usage: alpha"), tmp_path / "next")
