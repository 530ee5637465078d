# Take the host's lock, a lease, and make sure that the host is still as it was when the plan was made.
# Arguments: the plan's fingerprint, lease in seconds, who, the script `read.sh` and its arguments.
# Standard input is that of `read.sh`. Ends with 4 when somebody else holds the lock.
set -u
umask 022
fingerprint=$1
lease=$2
who=$3
script=$4
shift 4
lock=/run/lgtm/lock
mkdir -p /run/lgtm /opt/lgtm/generations /opt/lgtm/artifacts
exec 9>/run/lgtm/mutex # the lock is a lease with a name in it; the mutex makes looking and taking one step
flock 9
if read -r expires holder 2>/dev/null <"$lock/holder" && [ "$(date +%s)" -lt "$expires" ]; then
	echo "locked by $holder for another $((expires - $(date +%s))) s" >&2
	exit 4
fi
mkdir -p "$lock"
echo "$(($(date +%s) + lease)) $who" >"$lock/holder"
exec 9>&-
now=$(sh -c "$script" read "$@" | grep -v '^~' | sha256sum | cut -c 1-64)
if [ "$now" != "$fingerprint" ]; then
	rm -rf "$lock"
	echo "the host has changed since the plan was made; nothing was written, run again" >&2
	exit 1
fi
