"""The whole stack on one lab host, and nine more that are watched by it: BENCH_HOSTS in all."""

import os

_MANY = int(os.environ.get("BENCH_HOSTS", "1"))
_hosts = [
    (f"lab{number}", {"ssh_hostname": f"198.18.0.{10 + number}", "private_address": f"198.18.0.{10 + number}"})
    for number in range(1, _MANY + 1)
]

prometheus = alertmanager = mimir = loki = tempo = grafana = redis_exporter = blackbox_exporter = _hosts[:1]
alloy = node_exporter = _hosts
