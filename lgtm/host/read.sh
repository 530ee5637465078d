# All that a plan needs to know of a host, in one go. Arguments: the generation that is wanted, then volume
# paths. Standard input: a line of random text, mixed into the digests of secrets so that they tell nothing.
# Lines are `kind fields…` separated by tabs; what changes by itself begins with `~`.
set -u
read -r nonce
wanted=$1
shift
root=/opt/lgtm
line() { (IFS='	'; printf '%s\n' "$*"); }

. /etc/os-release
line os "$ID" "${VERSION_ID:-}" "$(uname -m)"
line ~now "$(date +%s)" "$(cat /proc/sys/kernel/random/boot_id)"
for tool in systemctl curl tar sha256sum ss; do command -v "$tool" >/dev/null || line lacks "$tool"; done
current=$(basename "$(readlink "$root/current" 2>/dev/null || echo -)")
line current "$current"
[ -e "$root/pending" ] && line pending "$(cat "$root/pending")"
[ -e /run/lgtm/lock ] && line ~lock "$(cat /run/lgtm/lock/holder 2>/dev/null)"
for generation in $( (echo "$wanted"; echo "$current") | sort -u); do
	[ -d "$root/generations/$generation" ] || continue
	cd "$root/generations/$generation" || exit 1
	find . ! -type d ! -type f -printf "file\t$generation\t%y\t%m\t%U:%G\t%P\n"
	find . -type d ! -perm 0755 -printf "file\t$generation\t%y\t%m\t%U:%G\t%P\n"
	find . -type f -printf "mode\t$generation\t%m\t%U:%G\t%P\n"
	find . -type f -exec sha256sum {} + | sed "s/^\([0-9a-f]*\)  \.\//sum	$generation	\1	/"
done
cd /
for path in /usr/local/lib/lgtm/activate.sh /etc/systemd/system/lgtm.target /etc/systemd/system/lgtm-recover.service; do
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
for path in "$@"; do [ -e "$path" ] && stat -c 'volume	%n	%U:%G	%a	%F' "$path"; done
[ -d /etc/lgtm/secrets ] && cd /etc/lgtm/secrets && find . -type f -printf '%P %m:%u\n' | while read -r path mode; do
	digest=$( (printf %s "$nonce"; cat "$path") | sha256sum | cut -c 1-64)
	fresh=$(cmp -s "$path" "/run/credentials/lgtm-${path%%/*}.service/${path##*/}" && echo fresh)
	line ~secret "$path" "$mode" "$digest" "$fresh"
done
cd /
for path in "$root"/current/services/*; do
	[ -e "$path" ] || continue
	service=${path##*/}
	pid=$(systemctl show "lgtm-$service.service" --property=MainPID --value)
	line unit "$service" "$(systemctl is-active "lgtm-$service.service")" "$(readlink "/proc/$pid/exe")"
	line ~pid "$service" "$pid"
	for note in started loaded; do
		[ -e "/run/lgtm/$service.$note" ] && sed "s/^\([0-9a-f]*\)  /$note	$service	\1	/" "/run/lgtm/$service.$note"
	done
done
ss -Hltnp | while read -r _ _ _ address _ process; do line ~listen "$address" "$process"; done
df --output=avail -B1 / /data 2>/dev/null | sed 1d | tr -d ' ' | tr '\n' '\t' | sed 's/^/~free	/;s/	$/\n/'
exit 0
