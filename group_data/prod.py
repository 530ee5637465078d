"""Production."""

environment = "prod"

# Every artifact must be pinned in artifacts.lock. Hosts download artifacts themselves; for hosts without internet:
# artifact_push = True
# artifact_mirror = "https://mirror.example.com/lgtm"

redis_exporter_redis_url = "rediss://redis.example.com:6380"
# redis_exporter_redis_user = "metrics"

# Limits of memory in bytes ("2G"), of processor time in cores:
# prometheus_memory_max = "2G"
# mimir_cpu_cores = 2.0

# Applications outside the inventory send logs and traces to private_address. Neither service asks for a password, so
# open them to a private network only:
# loki_exposed = True
# tempo_exposed = True
