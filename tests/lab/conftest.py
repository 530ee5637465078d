"""The fixtures of the end-to-end tests; what they are made of is in harness.py."""

from harness import bare, converged, host, lab, services, site

__all__ = ["bare", "converged", "host", "lab", "services", "site"]
