"""A STAND-IN for Grafana 12: no Grafana and no pages, but its way to the data sources, and its door.

It reads Grafana's own configuration and provisioning, asks for the same login, lists data sources and dashboards, and
passes queries on to the data sources. Its database is a JSON file under the real one's name: it holds the
administrator's password, which only the command line changes once it is made. What it cannot do it refuses with 501.
"""

VERSION = "12.4.2+standin"
LABEL = f"Grafana stand-in, version {VERSION}"
