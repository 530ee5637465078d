"""One VM with all services. Replace the address by your own. A group is a service: its hosts run that service."""

_vm = "192.0.2.7"

prometheus = [_vm]
alertmanager = [_vm]
mimir = [_vm]
loki = [_vm]
tempo = [_vm]
grafana = [_vm]
alloy = [_vm]
node_exporter = [_vm]
# blackbox_exporter = [_vm]  # checks the certificates of https targets
# redis_exporter = [_vm]     # needs redis_exporter_redis_url in group_data/one.py
