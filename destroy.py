"""Destroy the data of a service that has left a host: `pyinfra inventories/prod.py --limit HOST destroy.py …`."""

from pyinfra import host

from lgtm.runs.data import destroy

destroy(host)
