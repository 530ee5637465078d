# Take the host's lock. If the host has changed since the plan was made, print its present state: the controller then
# makes a new plan, and continues or releases the lock.
# Arguments: the plan's fingerprint (`-`: any), who, the script `read.sh` and its arguments. Standard input is that of
# `read.sh`. Exits with 4 when another run holds the lock.
set -u
umask 022
fingerprint=$1
who=$2
script=$3
shift 3
lock=/run/lgtm/lock
lease=30 # seconds; renew.sh renews it while the run is alive
now=$(date +%s)
mkdir -p /run/lgtm /opt/lgtm/generations /opt/lgtm/artifacts /opt/lgtm/metrics
exec 9>/run/lgtm/mutex # the mutex makes reading and taking the lock one atomic step
flock 9
if read -r expires holder 2>/dev/null <"$lock/holder" && [ "$now" -lt "$expires" ]; then
	echo "locked by $holder since $(date -u -r "$lock/since" '+%F %T UTC' 2>/dev/null || echo "?"); the lock expires within $((expires - now)) s" \
		"after that run has ended. If the run is gone, --data unlock=true breaks the lock at once" >&2
	exit 4
fi
if [ -e /opt/lgtm/pending ] || [ -e /opt/lgtm/reverting ]; then
	echo "a switch is under way ($(cat /opt/lgtm/pending /opt/lgtm/reverting 2>/dev/null)); it commits or reverts by itself" >&2
	exit 4
fi
mkdir -p "$lock"
touch "$lock/since"
echo "$((now + lease)) $who" >"$lock/holder"
exec 9>&-
[ "$fingerprint" = - ] && exit 0
state=$(sh -c "$script" read "$@")
[ "$(printf '%s\n' "$state" | grep -v '^~' | sha256sum | cut -c 1-64)" = "$fingerprint" ] || printf '%s\n' "$state"
