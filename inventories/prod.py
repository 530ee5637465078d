"""Production: the stores on a host of their own. Replace the names and the addresses by your own.

`private_address` is where a host's peers reach it; only what a peer needs listens there.
"""

_monitor = ("monitor.example.com", {"private_address": "192.0.2.20"})
_store = ("store.example.com", {"private_address": "192.0.2.21"})

prometheus = [_monitor]
alertmanager = [_monitor]
grafana = [_monitor]
mimir = [_store]
loki = [_store]
tempo = [_store]
alloy = [_monitor, _store]
node_exporter = [_monitor, _store]
redis_exporter = [_monitor]
blackbox_exporter = [_monitor]
