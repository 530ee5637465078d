"""A program's next version, for tests of upgrades: the same bytes with another version in them."""

import re
import subprocess
from pathlib import Path

from .errors import LabError


def next_version(program: Path, folder: Path) -> str:
    """Write the program to a folder as the version after its own. Return that version; it has as many characters."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    said = re.search(r"version (\d+\.\d+\.\d+)", done.stdout + done.stderr)
    if not said:
        raise LabError(f"{program} does not tell its version: {(done.stdout + done.stderr)[:200]!r}")
    old = said[1]
    new = old[:-1] + str((int(old[-1]) + 1) % 10)
    folder.mkdir(exist_ok=True)
    target = folder / program.name
    target.write_bytes(program.read_bytes().replace(old.encode(), new.encode()))
    target.chmod(0o755)
    return new
