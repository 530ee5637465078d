"""Where the unit tests find `tasks`, and the sites that their neighbours in tests/config build by hand."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS / "config"), str(TESTS.parent)]

from private import host  # noqa: E402

__all__ = ["host"]
