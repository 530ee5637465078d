"""Staging: where a release proves itself before production takes it."""

environment = "staging"

# Every artifact must be in artifacts.lock. Hosts download it themselves; for hosts without a way out:
# artifact_push = True
# artifact_mirror = "https://mirror.example.com/lgtm"

redis_exporter_redis_url = "redis://redis.staging.example.com:6379"

# A target of one's own is one line:
# prometheus_extra_targets = [{"job": "blog", "targets": ["blog.example.com:443"], "scheme": "https"}]

# Applications that are in no inventory send logs and traces to private_address; neither service asks for a password,
# so open them to a private network only:
# loki_exposed = True
# tempo_exposed = True
