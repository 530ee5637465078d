"""Commands for the controller: `python -m lgtm.tools.<name>`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lgtm.model.errors import Exit


def parsed(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line. Wrong usage ends the command with exit code 64, as it does everywhere here."""
    try:
        return parser.parse_args(arguments)
    except SystemExit as ended:
        sys.exit(Exit.USAGE if ended.code else Exit.OK)
