# Tell node_exporter, and whoever asks again, whether this host is as declared. Argument: 1 when it is not, 0 when it
# is. Prints since when it is not, in seconds since the epoch.
set -eu
umask 022
mkdir -p /opt/lgtm/metrics
file=/opt/lgtm/metrics/lgtm_drift.prom
now=$(date +%s)
since=$(sed -n 's/^lgtm_drift_since_timestamp_seconds //p' "$file" 2>/dev/null || true)
[ "$1" = 1 ] || since=0
[ "${since:-0}" != 0 ] || [ "$1" = 0 ] || since=$now
cat >"$file.new" <<END
# HELP lgtm_drift Whether this host is not as declared, when drift.py last looked.
# TYPE lgtm_drift gauge
lgtm_drift $1
# HELP lgtm_drift_since_timestamp_seconds Since when it has not been, 0 when it is.
# TYPE lgtm_drift_since_timestamp_seconds gauge
lgtm_drift_since_timestamp_seconds ${since:-0}
# HELP lgtm_drift_checked_timestamp_seconds When drift.py last looked.
# TYPE lgtm_drift_checked_timestamp_seconds gauge
lgtm_drift_checked_timestamp_seconds $now
END
mv "$file.new" "$file"
echo "$since"
