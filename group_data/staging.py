"""Staging: a release is tested here before production takes it."""

environment = "staging"

# Every artifact must be pinned in artifacts.lock. Hosts download artifacts themselves; for hosts without internet:
# artifact_push = True
# artifact_mirror = "https://mirror.example.com/lgtm"

redis_exporter_redis_url = "redis://redis.staging.example.com:6379"

# A scrape target of your own is one line:
# prometheus_extra_targets = [{"job": "blog", "targets": ["blog.example.com:443"], "scheme": "https"}]

# Applications outside the inventory send logs and traces to private_address. Neither service asks for a password, so
# open them to a private network only:
# loki_exposed = True
# tempo_exposed = True
