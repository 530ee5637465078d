# Renew the host's lock, if it is still held by this run. Argument: who took it.
set -u
lock=/run/lgtm/lock
exec 9>/run/lgtm/mutex
flock 9
read -r _ holder 2>/dev/null <"$lock/holder" && [ "$holder" = "$1" ] || exit 1
echo "$(($(date +%s) + 30)) $holder" >"$lock/holder"
