# Back up the files named by `backup` in a service's card to /data/backup/<service>/<time>.tar.
# Arguments: who, how many backups of each service to keep, and the services (none: all that have something to back up).
# A service is stopped while it is backed up. A backup gets its final name only when it is complete.
set -u
umask 077
trap 'rm -rf /run/lgtm/lock' EXIT
if [ ! -e /opt/lgtm/current/order ]; then
	echo "nothing is deployed here, so there is nothing to back up" >&2
	exit 1
fi
. /usr/local/lib/lgtm/services.sh
who=$1 keep=$2 code=0
shift 2
[ $# -gt 0 ] || for service in $(order); do [ -z "$(card "$service" backup)" ] || set -- "$@" "$service"; done
for service in "$@"; do
	folder=/data/backup/$service
	copy=$folder/$(date -u +%Y%m%dT%H%M%SZ).tar
	mkdir -p "$folder"
	rm -f "$folder"/*.part
	systemctl stop "lgtm-$service.service"
	card "$service" backup | while read -r path; do [ ! -e "$path" ] || echo "${path#/}"; done >"$folder/list.part"
	tar -c -f "$copy.part" -C / -T "$folder/list.part" && sync "$copy.part" && mv "$copy.part" "$copy"
	done=$?
	rm -f "$folder"/*.part
	systemctl start "lgtm-$service.service" && await "$service" || code=1
	if [ $done -ne 0 ]; then
		fail "$service could not be backed up to $copy; is /data full?"
		code=1
		continue
	fi
	find "$folder" -name '2*.tar' | sort | head -n "-$keep" | xargs -r rm -f
	/usr/local/lib/lgtm/activate.sh audit backup - - "$copy" "$who"
	say "$service: $copy, $(stat -c %s "$copy") bytes"
done
exit $code
