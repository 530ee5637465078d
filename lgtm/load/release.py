"""The identity of a release: its code, templates, pins, and the settings that all environments share.

Addresses, secrets and settings of one environment are no part of it, so staging and production have the same release.
"""

from __future__ import annotations

import hashlib
import subprocess
from functools import cache
from pathlib import Path

ENGINE = Path(__file__).parents[1]  # in a wheel with all that this project brings
FOLDERS = ("tasks", "templates")
FILES = ("*.py", "artifacts.lock", "group_data/all.py")


@cache
def identity(root: Path) -> str:
    """Give the release's id: `r` and the first 12 hex digits of the sha256 of all its files' names and contents."""
    files = {path.relative_to(ENGINE.parent): path for path in ENGINE.rglob("*")}
    files |= {path.relative_to(root): path for folder in FOLDERS for path in (root / folder).rglob("*")}
    files |= {path.relative_to(root): path for pattern in FILES for path in root.glob(pattern)}
    total = hashlib.sha256()
    for name, path in sorted(files.items()):
        if "__pycache__" not in name.parts and path.is_file():
            total.update(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n".encode())
    return f"r{total.hexdigest()[:12]}"


def uncommitted(root: Path) -> str:
    """Say why the working tree is not a commit: changes, no git; empty when it is one."""
    try:
        git = subprocess.run(["git", "-C", root, "status", "--porcelain"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "git is not installed here"
    if git.returncode:
        return f"this is no git working tree ({git.stderr.strip().splitlines()[-1]})"
    changed = [line[3:] for line in git.stdout.splitlines()]
    return f"not committed: {', '.join(changed[:5])}{' …' if len(changed) > 5 else ''}" if changed else ""
