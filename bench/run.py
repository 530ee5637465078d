"""How the benches call the tool: from the repository's root, quietly, asking no release page."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
PYINFRA = str(Path(sys.executable).with_name("pyinfra"))
ARTIFACTS = ROOT / ".lab" / "artifacts"
ENVIRONMENT = os.environ | {"LGTM_OFFLINE": "1", "PYINFRA_PROGRESS": "off"}


def pyinfra(inventory: str, script: str, *flags: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script; a bench ends with the complaint of one that fails."""
    command = [PYINFRA, "-y", inventory, script, *flags]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT | env, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 2):  # 2: a dry run that found something to do
        raise SystemExit(done.stderr)
    return done


def timed(*command: str, stdin: IO[bytes] | None = None) -> float:
    """Give the seconds that a command takes."""
    start = time.monotonic()
    subprocess.run(command, stdin=stdin or subprocess.DEVNULL, capture_output=True, check=True)
    return time.monotonic() - start
