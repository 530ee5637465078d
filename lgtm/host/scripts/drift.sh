# Write the drift metric that node_exporter exports. Argument: 1 when the host differs from its declaration, else 0.
# Prints when the drift was first seen, in seconds since the epoch; 0 without drift.
set -eu
umask 022
mkdir -p /opt/lgtm/metrics
file=/opt/lgtm/metrics/lgtm_drift.prom
now=$(date +%s)
since=$(sed -n 's/^lgtm_drift_since_timestamp_seconds //p' "$file" 2>/dev/null || true)
[ "$1" = 1 ] || since=0
[ "${since:-0}" != 0 ] || [ "$1" = 0 ] || since=$now
cat >"$file.new" <<END
# HELP lgtm_drift 1 if the host differed from its declaration when drift.py last ran, else 0.
# TYPE lgtm_drift gauge
lgtm_drift $1
# HELP lgtm_drift_since_timestamp_seconds When the present drift was first seen; 0 without drift.
# TYPE lgtm_drift_since_timestamp_seconds gauge
lgtm_drift_since_timestamp_seconds ${since:-0}
# HELP lgtm_drift_checked_timestamp_seconds When drift.py last ran.
# TYPE lgtm_drift_checked_timestamp_seconds gauge
lgtm_drift_checked_timestamp_seconds $now
END
mv "$file.new" "$file"
echo "$since"
