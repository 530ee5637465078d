# Break a lock whose holder is gone, and revert a switch that the holder left unfinished. Argument: who breaks it.
# A holder that is alive renews the lock every 8 s. This script waits that long, and leaves a renewed lock alone.
set -u
lock=/run/lgtm/lock
activate=/usr/local/lib/lgtm/activate.sh
lease() { cat "$lock/holder" 2>/dev/null; }
before=$(lease)
if [ -n "$before" ]; then
	until=$(($(date +%s) + 11))
	while [ "$(lease)" = "$before" ] && [ "$(date +%s)" -lt "$until" ] && [ "$(date +%s)" -lt "${before%% *}" ]; do sleep 0.5; done
	now=$(lease)
	if [ -n "$now" ] && [ "$now" != "$before" ]; then
		echo "$(echo "$now" | cut -d ' ' -f 2-) is still running and renews its lock; the lock was not broken" >&2
		exit 4
	fi
	rm -rf "$lock"
	echo "broke the lock of $(echo "$before" | cut -d ' ' -f 2-)"
	"$activate" audit unlock - - "broke the lock of $(echo "$before" | cut -d ' ' -f 2-)" "$1"
fi
if [ -e /opt/lgtm/pending ] || [ -e /opt/lgtm/reverting ]; then "$activate" revert "$1 broke the lock"; fi
