"""Mend owners and modes of the data, and nothing else: `pyinfra inventories/prod.py repair.py`."""

from pyinfra import host

from lgtm.runs.repair import repair

repair(host)
