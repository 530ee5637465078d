"""A STAND-IN for Grafana Loki 3: not Loki, but it keeps the lines it is sent and answers a useful part of LogQL.

It reads Loki's own configuration file, listens on the same ports and keeps its lines below the same directory. It
has no tenants, rings, chunks, compaction or tailing; its rules are evaluated when somebody asks for them, and their
results are written nowhere. What it cannot do it refuses with a sentence.
"""

VERSION = "3.7.8+standin"
LABEL = f"Loki stand-in, version {VERSION}"
