"""How shields patch pyinfra: its modules under short names, and the decorator `around`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

cli, cli_errors = import_module("pyinfra_cli.cli"), import_module("pyinfra_cli.exceptions")
context, ssh = import_module("pyinfra.context"), import_module("pyinfra.connectors.ssh")


def around(owner: Any, name: str) -> Callable[[Callable[..., Any]], None]:
    """Replace `owner.name` by the decorated `f(original, …)`."""
    original = getattr(owner, name)

    def decorate(replacement: Callable[..., Any]) -> None:
        @wraps(original)
        def patched(*args: Any, **kwargs: Any) -> Any:
            return replacement(original, *args, **kwargs)

        setattr(owner, name, patched)

    return decorate
