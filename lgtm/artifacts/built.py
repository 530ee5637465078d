"""The version of executables in LGTM_BINARIES, which they print themselves."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from lgtm.model.errors import Refusal

_VERSION = re.compile(r"version\W{0,3}v?(\d[\w.+~-]*)")
_NUMBER = re.compile(r"\bv?(\d+\.\d+\.\d+[\w.+~-]*)")  # redis_exporter prints the number alone


def version(program: Path) -> str:
    """Run `program --version` and give the version. Raises Refusal when it fails or prints none."""
    command = [str(program.absolute()), "--version"]
    try:
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refusal(f"LGTM_BINARIES: `{program} --version` fails ({error}): replace it") from error
    output = (ran.stdout + ran.stderr).decode(errors="replace")
    if match := _VERSION.search(output) or _NUMBER.search(output):
        return match[1]
    raise Refusal(f"LGTM_BINARIES: `{program} --version` prints no version, but {output[:80]!r}: replace it")
