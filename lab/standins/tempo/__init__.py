"""A STAND-IN for Grafana Tempo 2.5: not Tempo, but it takes spans over OTLP/HTTP and finds them again.

It reads Tempo's own configuration file, listens on the same ports and keeps what it is sent in one file in the
directory of Tempo's write-ahead log. It answers by trace id and to the simpler half of TraceQL, counts spans over
time (`rate()`), and writes span metrics and service graphs to Mimir under Tempo's names. Its gRPC ports are taken but
mute. It has no blocks, limits, tenants, rings or exemplars. What it cannot do it refuses with a sentence.
"""

VERSION = "2.5.0+standin"
LABEL = f"Tempo stand-in, version {VERSION}"
