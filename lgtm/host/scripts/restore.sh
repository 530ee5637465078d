# Put a copy that backup.sh made back in force. Arguments: who, the service, and the copy's name (empty: the newest).
# What is there is copied first, to before.tar, and comes back if the service does not start with what was restored.
set -u
umask 077
trap 'rm -rf /run/lgtm/lock' EXIT
if [ ! -e /opt/lgtm/current/order ]; then
	echo "nothing is deployed here, so there is nothing to put back" >&2
	exit 1
fi
. /usr/local/lib/lgtm/services.sh
who=$1 service=$2 folder=/data/backup/$2
name=${3:-$(find "$folder" -name '2*.tar' -printf '%f\n' 2>/dev/null | sort | tail -n 1)}
copy=$folder/$name
if [ -z "$name" ] || ! tar -t -f "$copy" >/dev/null 2>&1; then
	fail "there is no such copy of $service; there are: $(find "$folder" -name '2*.tar' -printf '%f ' 2>/dev/null)"
	exit 1
fi
paths() { card "$service" backup; }
put() { # copy: its files, and none but them
	paths | while read -r path; do rm -rf "$path"; done
	tar -x -p -f "$1" -C / && sync
}
systemctl stop "lgtm-$service.service"
paths | while read -r path; do [ ! -e "$path" ] || echo "${path#/}"; done >"$folder/list.part"
if ! tar -c -f "$folder/before.tar" -C / -T "$folder/list.part"; then
	fail "what is there could not be copied to $folder/before.tar; nothing was restored"
	systemctl start "lgtm-$service.service"
	exit 1
fi
rm -f "$folder/list.part"
if put "$copy" && systemctl start "lgtm-$service.service" && await "$service"; then
	/usr/local/lib/lgtm/activate.sh audit restore - - "$copy" "$who"
	say "$service runs with $copy; what was there before is in $folder/before.tar"
	exit 0
fi
systemctl stop "lgtm-$service.service"
put "$folder/before.tar" && systemctl start "lgtm-$service.service"
fail "$service did not start with $copy; what was there before is in force again"
exit 1
