"""One lab host with all services. A group is a service: its hosts run that service."""

_lab1 = ("lab1", {"ssh_hostname": "198.18.0.11", "private_address": "198.18.0.11"})

prometheus = [_lab1]
alertmanager = [_lab1]
mimir = [_lab1]
loki = [_lab1]
tempo = [_lab1]
grafana = [_lab1]
alloy = [_lab1]
node_exporter = [_lab1]
redis_exporter = [_lab1]
blackbox_exporter = [_lab1]
