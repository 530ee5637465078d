"""What a run can end with: exit codes, and the one exception family that carries them."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes, the same for every run."""

    OK = 0
    FAILED = 1
    PENDING = 2  # drift, or a dry run that found something to do
    REFUSED = 3  # preflight, gate or barrier said no; nothing was written
    LOCKED = 4
    USAGE = 64
    INTERRUPTED = 130


class LgtmError(Exception):
    """A sentence for the operator: what, where, which value, what to do. Never a traceback."""

    exit_code = Exit.FAILED


class Refusal(LgtmError):
    """The run must not start (or go on), and nothing has been written."""

    exit_code = Exit.REFUSED


class Locked(LgtmError):
    """Another run holds the host."""

    exit_code = Exit.LOCKED


class Usage(LgtmError):
    """The command line itself is wrong."""

    exit_code = Exit.USAGE


def combined(problems: list[str]) -> Refusal:
    """One refusal for several findings, so that a person mends them all at once."""
    return Refusal("\n".join(problems))
