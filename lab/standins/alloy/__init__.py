"""A STAND-IN for Grafana Alloy 1.20: not Alloy, but it ships the journal of its host to Loki.

It reads Alloy's own configuration file, as far as one journal, its relabelling and one Loki go, listens on the
same port and keeps its place in the same directory. The journal is read by the host's `journalctl`. Alloy notes its
place when a line is handed on; the stand-in when Loki has it, so it may lose less than the real one.
"""

VERSION = "1.20.1+standin"
LABEL = f"Alloy stand-in, version {VERSION}"
