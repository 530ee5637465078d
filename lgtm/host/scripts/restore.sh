# Restore a backup that backup.sh made. Arguments: who, the service, and the backup's name (empty: the newest).
# The present data is saved to before.tar first, and put back if the service does not start with the backup.
set -u
umask 077
trap 'rm -rf /run/lgtm/lock' EXIT
if [ ! -e /opt/lgtm/current/order ]; then
	echo "nothing is deployed here, so there is nothing to restore" >&2
	exit 1
fi
. /usr/local/lib/lgtm/services.sh
who=$1 service=$2 folder=/data/backup/$2
name=${3:-$(find "$folder" -name '2*.tar' -printf '%f\n' 2>/dev/null | sort | tail -n 1)}
copy=$folder/$name
if [ -z "$name" ] || ! tar -t -f "$copy" >/dev/null 2>&1; then
	fail "there is no such backup of $service; the backups are: $(find "$folder" -name '2*.tar' -printf '%f ' 2>/dev/null)"
	exit 1
fi
paths() { card "$service" backup; }
put() { # backup: replace the service's files by those in it
	paths | while read -r path; do rm -rf "$path"; done
	tar -x -p -f "$1" -C / && sync
}
systemctl stop "lgtm-$service.service"
paths | while read -r path; do [ ! -e "$path" ] || echo "${path#/}"; done >"$folder/list.part"
if ! tar -c -f "$folder/before.tar" -C / -T "$folder/list.part"; then
	fail "the present data could not be saved to $folder/before.tar; nothing was restored"
	systemctl start "lgtm-$service.service"
	exit 1
fi
rm -f "$folder/list.part"
if put "$copy" && systemctl start "lgtm-$service.service" && await "$service"; then
	/usr/local/lib/lgtm/activate.sh audit restore - - "$copy" "$who"
	say "$service runs with $copy; the data from before the restore is in $folder/before.tar"
	exit 0
fi
systemctl stop "lgtm-$service.service"
put "$folder/before.tar" && systemctl start "lgtm-$service.service"
fail "$service did not start with $copy; the data from before the restore was put back"
exit 1
