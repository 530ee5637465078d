"""Output for people, on standard error as all of pyinfra's: how wide it may be, and whether it has colours."""

from __future__ import annotations

import os
import re
import sys

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

UNWRAPPED = 1_000_000  # columns where no terminal reads: a sentence stays on one line, for grep
TRAILING = re.compile(r" +((?:\x1b\[[0-9;]*m)*)$")  # blanks at the end of a line, maybe before the end of a colour
USUAL = 80  # columns of a terminal that does not say how many it has


def console() -> Console:
    """The console of this moment: made for each piece of output, since a terminal can be resized.

    The height is given for the sake of TERM=dumb: without it, rich takes such a terminal to have 80 columns. rich
    leaves bold type in place under NO_COLOR; without a colour system there are no codes at all.
    """
    return Console(
        stderr=True, width=_columns(), height=25, color_system=None if os.environ.get("NO_COLOR") else "auto",
        highlight=False, markup=False, emoji=False,
    )  # fmt: skip


def _columns() -> int:
    """The columns of the terminal on standard error."""
    if not sys.stderr.isatty():
        return UNWRAPPED
    return os.get_terminal_size(sys.stderr.fileno()).columns or USUAL


def wraps() -> bool:
    """Whether a terminal reads, where long lines are wrapped; a line in a pipe or a file stands by itself."""
    return _columns() != UNWRAPPED


def show(*parts: RenderableType) -> None:
    """Write these parts below each other, in one piece, since several hosts write at the same time."""
    out = console()
    with out.capture() as written:
        for part in parts:
            if not isinstance(part, Table) or part.row_count:  # rich prints a blank line for an empty one
                out.print(part)
    if text := written.get().removesuffix("\n"):
        lines = [TRAILING.sub(r"\1", line) for line in text.split("\n")]
        sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.stderr.flush()


def grid(*least: int, gap: int = 1) -> Table:
    """A table without lines, whose columns have at least these widths; a cell wraps inside its column, whole."""
    table = Table.grid(padding=(0, gap, 0, 0))
    for width in least:
        table.add_column(min_width=width, overflow="fold")
    return table


def of_host(host: str, sentence: str | Text) -> Table:
    """A sentence behind its host, in brackets as pyinfra writes it."""
    table = grid(0, 0)
    table.add_row(Text(f"[{host}]", "bold"), sentence)
    return table
