"""The fixtures of the end-to-end tests; what they are made of is in harness.py."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "config"))  # dashboards.py lies there

from harness import bare, converged, host, lab, services, site

__all__ = ["bare", "converged", "host", "lab", "services", "site"]
