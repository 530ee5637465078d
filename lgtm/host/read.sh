# All that a plan needs to know of a host, in one go. Arguments: the generation that is wanted, its volumes as
# `user:path`, `--`, and the mount points they should lie on. Standard input: a line of random text, mixed into the digests of secrets so that they tell nothing.
# Lines are `kind fields…` separated by tabs; what changes by itself begins with `~`.
set -u
read -r nonce
wanted=$1
shift
root=/opt/lgtm
# Without a subshell: a host with many services prints a hundred lines, and each would be a process.
line() { usual=$IFS; IFS='	'; printf '%s\n' "$*"; IFS=$usual; }

. /etc/os-release
line os "$ID" "${VERSION_ID:-}" "$(uname -m)"
line ~now "$(date +%s)" "$(cat /proc/sys/kernel/random/boot_id)"
line ~memory "$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)" "$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)" \
	"$(cut -d ' ' -f 1 /proc/uptime)"
for tool in systemctl curl tar sha256sum ss findmnt; do command -v "$tool" >/dev/null || line lacks "$tool"; done
current=$(basename "$(readlink "$root/current" 2>/dev/null || echo -)")
line current "$current"
[ -e "$root/current" ] && [ ! -L "$root/current" ] && line planted "$root/current" "$(stat -c %F "$root/current")"
for switch in pending reverting; do [ -e "$root/$switch" ] && line pending "$(cat "$root/$switch")"; done
for generation in $( (echo "$wanted"; echo "$current") | sort -u); do
	[ -d "$root/generations/$generation" ] || continue
	cd "$root/generations/$generation" || exit 1
	find . ! -type d ! -type f -printf "file\t$generation\t%y\t%m\t%U:%G\t%P\n"
	find . -type d ! -perm 0755 -printf "file\t$generation\t%y\t%m\t%U:%G\t%P\n"
	find . -type f -printf "mode\t$generation\t%m\t%U:%G\t%P\n"
	find . -type f -exec sha256sum {} + | sed "s/^\([0-9a-f]*\)  \.\//sum	$generation	\1	/"
done
cd /
for path in /usr/local/lib/lgtm/activate.sh /usr/local/lib/lgtm/services.sh /etc/systemd/system/lgtm.target /etc/systemd/system/lgtm-recover.service; do
	[ -e "$path" ] && line support "$(sha256sum <"$path" | cut -c 1-64)" "$(stat -c %a:%U "$path")" "$path"
done
find /etc/systemd/system/lgtm.target.wants /etc/systemd/system/multi-user.target.wants /etc/systemd/system \
	-maxdepth 1 -name 'lgtm*' ! -type d -printf 'link\t%p\t%l\n' 2>/dev/null
for path in "$root"/artifacts/*/; do
	[ -e "$path.seal" ] || continue
	cd "$path" || continue
	seal=$(find . -type f ! -name .seal -printf '%P %s %T@ %C@ %m\n' | sort | sha256sum)
	[ "$seal" = "$(cat .seal)" ] && line artifact "$(basename "$path")"
done
cd /
getent passwd | sed -n 's/^\(lgtm-[^:]*\):.*/user	\1/p'
while [ $# -gt 0 ] && [ "$1" != -- ]; do
	user=${1%%:*} path=${1#*:}
	if [ -e "$path" ]; then
		stat -c 'volume	%n	%U:%G	%a	%F' "$path"
		du -sx --block-size=1 "$path" 2>/dev/null | sed "s|^\([0-9]*\).*|~used	$path	\1|"
		# Wrong below it: another owner, or a mode that keeps the owner out or lets everybody write.
		getent passwd "$user" >/dev/null && find "$path" -xdev -mindepth 1 \( ! -user "$user" -o ! -group "$user" \
			-o -type d ! -perm -u=rwx -o -type f ! -perm -u=rw -o ! -type l -perm -o=w \) \
			-printf "wrong\t$path\t%U:%G\t%m\t%P\n" 2>/dev/null | awk -v FS='\t' -v OFS='\t' '
				NR == 1 { first = $1 OFS $2 OFS $3 OFS $4 OFS $5 } END { if (NR) print first, NR }'
	fi
	until [ -e "$path" ]; do path=$(dirname "$path"); done
	findmnt -nbo TARGET,AVAIL,OPTIONS -T "$path" | tail -n 1 | while read -r target free options; do
		line ~room "${1#*:}" "$target" "$free" "${options%%,*}" "$(df --output=iavail "$path" | tail -n 1 | tr -d ' ')"
	done
	shift
done
[ $# -eq 0 ] || shift
for path in "$@"; do mountpoint -q "$path" || line unmounted "$path"; done
for path in "$root"/generations/*/services/*; do
	[ -e "$path" ] && sed -n "s|^secret |named	${path##*/}/|p" "$path"
done | sort -u
[ -d /etc/lgtm/secrets ] && cd /etc/lgtm/secrets && find . -type f -printf '%P %m:%u\n' | while read -r path mode; do
	digest=$( (printf %s "$nonce"; cat "$path") | sha256sum | cut -c 1-64)
	fresh=$(cmp -s "$path" "/run/credentials/lgtm-${path%%/*}.service/${path##*/}" && echo fresh)
	line ~secret "$path" "$mode" "$digest" "$fresh"
done
cd /
# Those of `current`, and those that are linked, should `current` lead nowhere.
linked() { find /etc/systemd/system -maxdepth 1 -name 'lgtm-*.service' -printf '%f\n' | sed 's/^lgtm-//; s/\.service$//'; }
named() { find "$root/current/services/" -type f -printf '%f\n' 2>/dev/null; }
for service in $({ linked; named; } | grep -vx recover | sort -u); do
	path=$root/current/services/$service
	shown=$(systemctl show "lgtm-$service.service" \
		--property=MainPID,ActiveState,NRestarts,MemoryCurrent,MemoryMax,ActiveEnterTimestampMonotonic)
	while IFS='=' read -r property value; do
		case $property in
		MainPID) pid=$value ;;
		ActiveState) state=$value ;;
		NRestarts) restarts=$value ;;
		MemoryCurrent) memory=$value ;;
		MemoryMax) most=$value ;;
		ActiveEnterTimestampMonotonic) since=$value ;;
		esac
	done <<-END
		$shown
	END
	[ -e "$path" ] && line runs "$service" "$(sed -n 's/^version //p' "$path")"
	# What crashes again and again changes by itself: whoever mends it must not be told that the host has changed.
	line ~unit "$service" "$state" "$(readlink "/proc/$pid/exe")"
	line ~pid "$service" "$pid"
	line ~use "$service" "$restarts" "$memory" "$most" "$since"
	for note in started loaded; do
		[ -e "/run/lgtm/$service.$note" ] && sed "s/^\([0-9a-f]*\)  /$note	$service	\1	/" "/run/lgtm/$service.$note"
	done
done
ss -Hltnp | while read -r _ _ _ address _ process; do line ~listen "$address" "$process"; done
exit 0
