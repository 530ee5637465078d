"""Put a copy back in force: `pyinfra inventories/prod.py restore.py --data service=grafana`."""

from pyinfra import host

from lgtm.runs.data import restore

restore(host)
