"""`.env.lab`: the secrets that hosts and services share, made once, and the mail addresses."""

import os
import secrets
from pathlib import Path

from .contract import MAIL, SECRETS, SMTP_USERNAME


def ensure(path: Path) -> dict[str, str]:
    """Return the lab's settings. Missing ones are made and added to the file; the others stay as they are."""
    known = read(path)
    made = {name: _make(name) for name in (*SECRETS, *MAIL) if not known.get(name)}
    if made:
        kept = path.read_text().rstrip("\n") + "\n" if path.exists() else "# Written by `python -m lab up`.\n"
        write(path, kept + "".join(f"{name}={value}\n" for name, value in made.items()))
    return {name: (known | made)[name] for name in (*SECRETS, *MAIL)}


def read(path: Path) -> dict[str, str]:
    """Read `NAME=value` lines; comments and a missing file give nothing."""
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = [line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#")]
    return {name.strip(): value.strip() for name, _, value in pairs}


def write(path: Path, text: str) -> None:
    """Replace the file by one that only its owner can read, never half written."""
    unfinished = path.with_name(f"{path.name}.tmp")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    unfinished.rename(path)


def _make(name: str) -> str:
    if name in MAIL:
        return MAIL[name]
    return f"lab-{secrets.token_hex(4)}@mail.lab" if name == SMTP_USERNAME else secrets.token_urlsafe(24)
