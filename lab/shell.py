"""Runs other programs, and reports failures in one sentence."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .errors import LabError

# Root's tools are in directories that a shell entered by `su` or `sudo` may not look into.
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def run(*command: str | Path, stdin: str | None = None, cwd: Path | None = None) -> str:
    """Run a command and return its standard output. LabError with its message if it fails."""
    done = attempt(*command, stdin=stdin, cwd=cwd)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"`{words(command)}` failed with exit code {done.returncode}: {said}")
    return done.stdout


def attempt(
    *command: str | Path, stdin: str | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command and return the finished process, failed or not."""
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, "PATH": PATH},
        text=True,
        capture_output=True,
        check=False,
        **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}),
    )


def words(command: Sequence[str | Path], most: int = 8) -> str:
    """Return the beginning of a command."""
    return " ".join(str(word) for word in command[:most]) + (" …" if len(command) > most else "")
