"""Copy what nobody else has (Grafana's database, silences) on every host: `pyinfra inventories/prod.py backup.py`."""

from pyinfra import host

from lgtm.runs.data import backup

backup(host)
