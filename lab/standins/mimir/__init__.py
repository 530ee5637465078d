"""A STAND-IN for Grafana Mimir 2.11: not Mimir, but it stores what Prometheus sends and answers queries.

It reads Mimir's own configuration file, listens on the same ports and keeps its data in the same directory.
Underneath is a real Prometheus server with its remote-write receiver; this program starts it, stands in front
of it under Mimir's paths, and stops it. It has no tenants, limits, rings, compaction or object storage.
"""

VERSION = "2.11.0+standin"
LABEL = f"Mimir stand-in, version {VERSION}"
