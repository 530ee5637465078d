"""The type of a value that somebody typed on the command line."""

from __future__ import annotations


class CliValue(str):
    """A `--data key=value`, exactly as typed: known from group data by its type, and parsed by nobody yet."""

    __slots__ = ()
