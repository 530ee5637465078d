"""`.env.<environment>` → Secret values, which are masked wherever they are shown."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from lgtm.model.errors import Refusal, combined

MASK = "********"
PLACEHOLDERS = (
    "changeme",
    "change-me",
    "change_me",
    "placeholder",
    "replace",
    "example",
    "your-",
    "your_",
    "xxx",
    "todo",
    "<",
)


class Secret:
    """A value that is masked when it is shown or formatted; only `reveal()` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> Any:
        raise TypeError("a Secret is never pickled")


def as_json(value: Mapping[str, Secret]) -> Secret:
    """Make one secret of a JSON object whose values are secrets: redis_exporter's password file."""
    return Secret(json.dumps({key: secret.reveal() for key, secret in value.items()}))


def load(folder: Path, environment: str, known: Collection[str]) -> dict[str, Secret]:
    """Read `.env.<environment>` and give key → Secret for every non-empty value; `known` are the keys in use.

    Raises Refusal for an unknown key, for a placeholder value, and when other users can read the file.
    """
    import dotenv  # here, since a run without secrets need not pay for it

    path = folder / f".env.{environment}"
    if not path.exists():
        return {}
    found = dotenv.dotenv_values(path, interpolate=False)
    problems = [_permissions(path)] + [
        problem for key, value in found.items() for problem in _findings(path.name, key, value or "", known)
    ]
    if any(problems):
        raise combined([problem for problem in problems if problem])
    return {key: Secret(value) for key, value in found.items() if value}


def _permissions(path: Path) -> str:
    if path.stat().st_mode & 0o077:
        return f"{path.name}: other users of this machine can read it; run `chmod 600 {path.name}`"
    return ""


def _findings(name: str, key: str, value: str, known: Collection[str]) -> list[str]:
    if key not in known:
        near = difflib.get_close_matches(key, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
        return [f"{name}: unknown key {key}; {hint}"]
    if any(value.lower().startswith(start) for start in PLACEHOLDERS):
        return [f"{name}: {key} still has its placeholder; put the real value there"]
    return []


def missing(host: str, service: str, key: str, environment: str) -> Refusal:
    """Make the refusal for a secret that a service needs and `.env.<environment>` lacks."""
    return Refusal(f"{host}: {service} needs {key}; add {key}=… to .env.{environment} (see .env.example)")
