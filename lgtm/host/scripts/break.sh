# Break the lock of somebody who is gone, and take back what they left half done. Argument: who breaks it.
# Whoever is there renews the lease every 8 s: that is waited for, and the lock left to them.
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
		echo "$(echo "$now" | cut -d ' ' -f 2-) is still at work here; nothing was broken" >&2
		exit 4
	fi
	rm -rf "$lock"
	echo "broke the lock of $(echo "$before" | cut -d ' ' -f 2-)"
	"$activate" audit unlock - - "broke the lock of $(echo "$before" | cut -d ' ' -f 2-)" "$1"
fi
if [ -e /opt/lgtm/pending ] || [ -e /opt/lgtm/reverting ]; then "$activate" revert "$1 took over"; fi
