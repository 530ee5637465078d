"""What a release is made of: code, templates, settings that all environments share, and pinned artifacts.

An environment's addresses and secrets are not part of it: what staging has proved is what production takes.
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
    """`r` and 12 hex digits: the digest of the names and contents of all files of a release."""
    files = {path.relative_to(ENGINE.parent): path for path in ENGINE.rglob("*")}
    files |= {path.relative_to(root): path for folder in FOLDERS for path in (root / folder).rglob("*")}
    files |= {path.relative_to(root): path for pattern in FILES for path in root.glob(pattern)}
    total = hashlib.sha256()
    for name, path in sorted(files.items()):
        if "__pycache__" not in name.parts and path.is_file():
            total.update(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n".encode())
    return f"r{total.hexdigest()[:12]}"


def uncommitted(root: Path) -> str:
    """What makes this working tree something that nobody can name; empty when it is a commit."""
    try:
        git = subprocess.run(["git", "-C", root, "status", "--porcelain"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "git is not installed here"
    if git.returncode:
        return f"this is no git working tree ({git.stderr.strip().splitlines()[-1]})"
    changed = [line[3:] for line in git.stdout.splitlines()]
    return f"not committed: {', '.join(changed[:5])}{' …' if len(changed) > 5 else ''}" if changed else ""
