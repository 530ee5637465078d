"""The four services of the reference measurement, on one lab host; settings are the lab's."""

_lab1 = ("lab1", {"ssh_hostname": "198.18.0.11", "private_address": "198.18.0.11"})

prometheus = [_lab1]
alertmanager = [_lab1]
node_exporter = [_lab1]
redis_exporter = [_lab1]
