"""Staging: one host with all services. Replace the name and address by your own. A group is a service."""

_monitor = ("monitor.staging.example.com", {"private_address": "192.0.2.10"})

prometheus = [_monitor]
alertmanager = [_monitor]
mimir = [_monitor]
loki = [_monitor]
tempo = [_monitor]
grafana = [_monitor]
alloy = [_monitor]
node_exporter = [_monitor]
redis_exporter = [_monitor]
blackbox_exporter = [_monitor]
