# Arm the dead-man timer and switch, in a unit that outlives this connection. Arguments: generation, window in seconds,
# who, action (deploy or rollback), how many of those seconds the activation may take, and the services (separated by
# commas, or -) that a revert must leave as the new generation has them.
set -u
log=/run/lgtm/activate.log
activate=/usr/local/lib/lgtm/activate.sh
if ! "$activate" arm "$1" "$2" "$3" "$4" "$6"; then
	rm -rf /run/lgtm/lock
	exit 1
fi
: >"$log"
systemd-run --quiet --collect --wait --unit=lgtm-activate --property=StandardOutput="append:$log" \
	--property=StandardError="append:$log" "$activate" flip "$1" "$5"
code=$?
cat "$log" >&2
[ $code = 0 ] || grep -q reverted "$log" || tail -n 1 /opt/lgtm/log >&2 # the timer fired first and ended the activation
exit $code
