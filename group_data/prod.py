"""Production."""

environment = "prod"

# Every artifact must be in artifacts.lock. Hosts download it themselves; for hosts without a way out:
# artifact_push = True
# artifact_mirror = "https://mirror.example.com/lgtm"

redis_exporter_redis_url = "rediss://redis.example.com:6380"
# redis_exporter_redis_user = "metrics"

# Limits in bytes ("2G") and cores:
# prometheus_memory_max = "2G"
# mimir_cpu_cores = 2.0

# Applications that are in no inventory send logs and traces to private_address; neither service asks for a password,
# so open them to a private network only:
# loki_exposed = True
# tempo_exposed = True
