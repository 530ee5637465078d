"""Ask what can be known before a deploy, and change nothing: `pyinfra inventories/prod.py preflight.py`."""

from pyinfra import host

from lgtm.runs.preflight import preflight

preflight(host)
