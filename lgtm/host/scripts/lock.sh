# Take the host's lock. If the host is no longer as it was when the plan was made, print how it is now: whoever runs this
# plans anew, and goes on or gives the lock back.
# Arguments: the plan's fingerprint (`-`: whatever it is), who, the script `read.sh` and its arguments. Standard input
# is that of `read.sh`. Ends with 4 when somebody else holds the lock.
set -u
umask 022
fingerprint=$1
who=$2
script=$3
shift 3
lock=/run/lgtm/lock
lease=30 # seconds; renew.sh makes it longer as long as somebody is there
now=$(date +%s)
mkdir -p /run/lgtm /opt/lgtm/generations /opt/lgtm/artifacts /opt/lgtm/metrics
exec 9>/run/lgtm/mutex # the lock is a lease with a name in it; the mutex makes looking and taking one step
flock 9
if read -r expires holder 2>/dev/null <"$lock/holder" && [ "$now" -lt "$expires" ]; then
	echo "locked by $holder since $(date -u -r "$lock/since" '+%F %T UTC' 2>/dev/null || echo "?"); it frees itself within $((expires - now)) s of its" \
		"holder's end, or run with --data unlock=true once you know that this is over" >&2
	exit 4
fi
if [ -e /opt/lgtm/pending ] || [ -e /opt/lgtm/reverting ]; then
	echo "a switch is under way ($(cat /opt/lgtm/pending /opt/lgtm/reverting 2>/dev/null)); it commits or goes back by itself" >&2
	exit 4
fi
mkdir -p "$lock"
touch "$lock/since"
echo "$((now + lease)) $who" >"$lock/holder"
exec 9>&-
[ "$fingerprint" = - ] && exit 0
found=$(sh -c "$script" read "$@")
[ "$(printf '%s\n' "$found" | grep -v '^~' | sha256sum | cut -c 1-64)" = "$fingerprint" ] || printf '%s\n' "$found"
