"""Bring every host to what the inventory and group_data declare: `pyinfra inventories/prod.py deploy.py`."""

from pyinfra import host

from lgtm.runs.deploy import deploy

deploy(host)
