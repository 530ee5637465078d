"""The prompt: shown only when there is something to do and a terminal to answer on."""

from __future__ import annotations

import sys
from typing import Any

from lgtm.model.errors import Usage
from lgtm.shields.patch import around, cli
from lgtm.shields.sentences import say


def prompt_only_for_something() -> None:
    """pyinfra asks before doing nothing, exits 0 after a "no", and without a terminal it crashes."""

    @around(cli, "_handle_commands")
    def _(original: Any, state: Any, *args: Any, json_output: bool = False) -> Any:
        can_diff, state, config = original(state, *args, json_output=json_output)
        return can_diff and (json_output or bool(state.op_meta)), state, config

    @around(cli, "_do_confirm")
    def _(original: Any, message: str) -> bool:
        about_changes = message.startswith("Detected changes")
        if sys.stdin is None or not sys.stdin.isatty():
            if about_changes:
                raise Usage("stdin is not a terminal: pass -y to apply, or --dry to see the plan")
            say("a host failed and stdin is not a terminal to ask whether to continue: stopped")
            return False
        try:
            confirmed: bool = original(message)
        except EOFError:
            confirmed = False
        if about_changes and not confirmed:
            raise Usage("stopped at the prompt, nothing was changed")
        return confirmed
