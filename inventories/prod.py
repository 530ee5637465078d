"""Production: three VMs by role. Replace the names and the addresses by your own.

`private_address` is where a host's peers reach it; only what a peer needs listens there.
"""

_monitor = ("monitor.example.com", {"private_address": "192.0.2.20"})  # asks, alerts and shows
_metrics = ("metrics.example.com", {"private_address": "192.0.2.21"})  # keeps samples for long
_telemetry = ("telemetry.example.com", {"private_address": "192.0.2.22"})  # keeps logs and traces

prometheus = alertmanager = grafana = redis_exporter = blackbox_exporter = [_monitor]
mimir = [_metrics]
loki = tempo = [_telemetry]
alloy = node_exporter = [_monitor, _metrics, _telemetry]
