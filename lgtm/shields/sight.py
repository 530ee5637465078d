"""The output of a run: how many operations are left, and colours only where they are wanted."""

from __future__ import annotations

import os
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any

from lgtm.shields.patch import around, context


def steps_are_counted() -> None:
    """pyinfra prints operations one by one, but not how many are left."""

    @around(import_module("pyinfra.api.operations"), "log_operation_start")
    def _(original: Any, op_meta: Any, *args: Any, **kwargs: Any) -> None:
        state = context.ctx_state.get()
        order = [state.op_meta[op_hash] for op_hash in state.get_op_order()]
        if op_meta in order:  # a nested one is in no order
            kwargs["prefix"] = f"--> {order.index(op_meta) + 1}/{len(order)} "
        original(op_meta, *args, **kwargs)


def colours_can_be_off() -> None:
    """click takes colours away where the output is no terminal, and does not know NO_COLOR (no-color.org)."""
    for module in ("click.utils", "click._compat"):

        @around(import_module(module), "should_strip_ansi")
        def _(original: Any, *args: Any, **kwargs: Any) -> bool:
            return bool(os.environ.get("NO_COLOR")) or original(*args, **kwargs)


def facts_can_be_shown() -> None:
    """`pyinfra INVENTORY fact NAME` knows no dataclass: it ends with a traceback."""

    @around(import_module("pyinfra_cli.prints"), "json_encode")
    def _(original: Any, value: Any) -> Any:
        if is_dataclass(value) and not isinstance(value, type):
            return {field.name: getattr(value, field.name) for field in fields(value)}
        return sorted(value) if isinstance(value, frozenset) else original(value)
