"""Destroy the data of a service that has left a host: `pyinfra inventories/prod.py --limit HOST destroy.py …`."""

from pyinfra import host

from lgtm.runs import backups

backups.destroy(host)
