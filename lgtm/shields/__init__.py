"""Fixes for gaps of pyinfra 3.10.0: one small function per gap, all applied by `install()`.

config.py calls `install()`; the pyinfra CLI executes config.py before it loads the inventory. What is decided
earlier (an unknown option, a missing deploy file) is fixed only if `install()` ran before the CLI did.
Every name patched is private to pyinfra: its version is pinned, and
tests/unit/test_pyinfra_assumptions.py says which gap an upgrade has closed.
"""

from __future__ import annotations

from collections.abc import Callable

from lgtm.shields.connection import no_login_is_a_sentence, refuse_sudo_password, ssh_without_nagle
from lgtm.shields.exits import exit_codes, interrupts_do_not_wait, interrupts_exit_130
from lgtm.shields.flags import data_stays_as_typed, refuse_flags, this_directory_comes_first
from lgtm.shields.operations import (
    failed_facts_fail_the_operation,
    failed_facts_say_why,
    operations_fail_alone,
    operations_know_their_file,
)
from lgtm.shields.prompt import prompt_only_for_something
from lgtm.shields.sentences import errors_are_sentences
from lgtm.shields.sight import colours_can_be_off, facts_can_be_shown, steps_are_counted
from lgtm.shields.targets import (
    every_host_must_connect,
    hosts_in_inventory_order,
    inventory_must_exist,
    limits_must_match,
)

SHIELDS = (
    this_directory_comes_first,
    errors_are_sentences,
    exit_codes,
    hosts_in_inventory_order,
    limits_must_match,
    inventory_must_exist,
    refuse_sudo_password,
    operations_know_their_file,
    ssh_without_nagle,
    no_login_is_a_sentence,
    interrupts_do_not_wait,
    data_stays_as_typed,
    operations_fail_alone,
    failed_facts_say_why,
    failed_facts_fail_the_operation,
    facts_can_be_shown,
    prompt_only_for_something,
    steps_are_counted,
    colours_can_be_off,
    every_host_must_connect,
)

_applied: list[Callable[[], None]] = []


def install() -> None:
    """Apply every shield; a second call only checks the command line again."""
    while len(_applied) < len(SHIELDS):
        _applied.append(SHIELDS[len(_applied)])
        _applied[-1]()
    interrupts_exit_130()
    refuse_flags()
