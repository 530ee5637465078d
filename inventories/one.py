"""One VM that carries everything. Put your own VM's address here; a group is a service."""

_vm = "192.0.2.7"

prometheus = [_vm]
alertmanager = [_vm]
mimir = [_vm]
loki = [_vm]
tempo = [_vm]
grafana = [_vm]
alloy = [_vm]
node_exporter = [_vm]
# blackbox_exporter = [_vm]  # watches certificates of what is scraped over https
# redis_exporter = [_vm]     # wants redis_exporter_redis_url in group_data/one.py
