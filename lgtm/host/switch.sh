# Arm and flip, as a unit of its own that outlives this connection. Arguments: generation, window in seconds, who.
set -u
log=/run/lgtm/activate.log
activate=/usr/local/lib/lgtm/activate.sh
if ! "$activate" arm "$1" "$2" "$3"; then
	rm -rf /run/lgtm/lock
	exit 1
fi
: >"$log"
systemd-run --quiet --collect --wait --unit=lgtm-activate --property=StandardOutput="append:$log" \
	--property=StandardError="append:$log" "$activate" flip "$1"
code=$?
cat "$log" >&2
exit $code
