"""Where the unit tests find the helpers of their neighbours: the sites that tests/config builds by hand."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "config"))
