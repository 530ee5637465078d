"""Production: three VMs by role. Replace the names and addresses by your own. A group is a service.

Other hosts of the site reach a host at its `private_address`. Only ports that they need listen there.
"""

_monitor = ("monitor.example.com", {"private_address": "192.0.2.20"})  # scrapes, alerts, dashboards
_metrics = ("metrics.example.com", {"private_address": "192.0.2.21"})  # long-term samples
_telemetry = ("telemetry.example.com", {"private_address": "192.0.2.22"})  # logs and traces

prometheus = alertmanager = grafana = redis_exporter = blackbox_exporter = [_monitor]
mimir = [_metrics]
loki = tempo = [_telemetry]
alloy = node_exporter = [_monitor, _metrics, _telemetry]
