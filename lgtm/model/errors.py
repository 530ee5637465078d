"""Exit codes, and the exceptions that have them."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes, the same for every run."""

    OK = 0
    FAILED = 1
    PENDING = 2  # drift, or a dry run whose plan has changes
    REFUSED = 3  # by preflight, promotion or barrier; nothing was written
    LOCKED = 4
    USAGE = 64
    INTERRUPTED = 130


class LgtmError(Exception):
    """An error with a message for the operator: host, key, value, remedy. It is shown without a traceback."""

    exit_code = Exit.FAILED


class Refusal(LgtmError):
    """The run is stopped before anything was written."""

    exit_code = Exit.REFUSED


class Locked(LgtmError):
    """Another run holds the host's lock."""

    exit_code = Exit.LOCKED


class Usage(LgtmError):
    """The command line is invalid."""

    exit_code = Exit.USAGE


def combined(problems: list[str]) -> Refusal:
    """Make one refusal of several problems, so that an operator can correct them all at once."""
    return Refusal("\n".join(problems))
