"""Two lab hosts: Mimir, Loki and Tempo on lab2, the other services on lab1."""

_lab1 = ("lab1", {"ssh_hostname": "198.18.0.11", "private_address": "198.18.0.11"})
_lab2 = ("lab2", {"ssh_hostname": "198.18.0.12", "private_address": "198.18.0.12"})

prometheus = [_lab1]
alertmanager = [_lab1]
grafana = [_lab1]
mimir = [_lab2]
loki = [_lab2]
tempo = [_lab2]
alloy = [_lab1, _lab2]
node_exporter = [_lab1, _lab2]
redis_exporter = [_lab1]
blackbox_exporter = [_lab1]
