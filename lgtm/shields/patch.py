"""How a shield takes its place: pyinfra's modules under short names, and `around` to patch what is in them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

cli, cli_errors = import_module("pyinfra_cli.cli"), import_module("pyinfra_cli.exceptions")
context, ssh = import_module("pyinfra.context"), import_module("pyinfra.connectors.ssh")


def around(owner: Any, name: str) -> Callable[[Callable[..., Any]], None]:
    """Put the decorated `f(original, …)` in the place of `owner.name`."""
    original = getattr(owner, name)

    def decorate(replacement: Callable[..., Any]) -> None:
        @wraps(original)
        def patched(*args: Any, **kwargs: Any) -> Any:
            return replacement(original, *args, **kwargs)

        setattr(owner, name, patched)

    return decorate
