"""The lab: throwaway hosts on this machine, which watch only the lab's own targets."""

environment = "lab"
allow_unlocked = True  # Debian's binaries and stand-ins
artifact_push = True  # lab hosts cannot reach the internet
artifact_fallback = ".lab/artifacts"

ssh_user = "operator"
ssh_key = ".lab/id_ed25519"
ssh_known_hosts_file = ".lab/known_hosts"
ssh_strict_host_key_checking = "yes"

prometheus_gatewayz_production_url = "http://198.18.0.1:8000"
prometheus_gatewayz_staging_url = "http://198.18.0.1:8001"
redis_exporter_redis_url = "redis://198.18.0.1:6379"

# The lab's backend is in no inventory. It sends its logs and traces over the bridge.
loki_exposed = True
tempo_exposed = True
