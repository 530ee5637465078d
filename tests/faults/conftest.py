"""The fixtures of the fault tests are those of the end-to-end tests."""

import sys
from pathlib import Path

for folder in ("lab", "config"):
    sys.path.append(str(Path(__file__).parents[1] / folder))

from harness import bare, converged, host, lab, services, site  # noqa: E402

__all__ = ["bare", "converged", "host", "lab", "services", "site"]
