"""Record the checksums that `artifacts.lock` lacks: `make pins`, or `python -m lgtm.tools.pins NAME VERSION`."""

from __future__ import annotations

import sys

from lgtm.artifacts.pins import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
