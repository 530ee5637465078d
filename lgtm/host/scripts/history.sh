# Print the generations on this host, the log and which generations were good. Lines are `kind fields…`, separated by
# tabs, as in read.sh.
set -u
root=/opt/lgtm
line() { usual=$IFS; IFS='	'; printf '%s\n' "$*"; IFS=$usual; }

line now "$(date +%s)"
line current "$(basename "$(readlink "$root/current" 2>/dev/null || echo -)")"
for switch in pending reverting; do [ -e "$root/$switch" ] && line pending "$(cat "$root/$switch")"; done
[ -e "$root/good" ] && sed 's/^/good	/' "$root/good"
for path in "$root"/generations/g????????????/; do
	[ -e "$path" ] || continue
	id=$(basename "$path")
	line generation "$id" "$(stat -c %Y "$path")"
	for card in "$path"services/*; do
		line service "$id" "$(basename "$card")" "$(sed -n 's/^version //p' "$card")" \
			"$(basename "$(sed -n 's/^artifact //p' "$card")")" "$(sed -n 's/^ready \([0-9]*\) .*/\1/p' "$card")"
	done
	[ -e "${path}etc/loki/schema" ] && sed "s/^/schema	$id	/" "${path}etc/loki/schema"
done
for path in "$root"/artifacts/*/; do
	[ -e "$path.seal" ] || continue
	cd "$path" || continue
	seal=$(find . -type f ! -name .seal -printf '%P %s %T@ %C@ %m\n' | sort | sha256sum)
	[ "$seal" = "$(cat .seal)" ] && line artifact "$(basename "$path")"
done
cd /
[ -e "$root/log" ] && tail -n 200 "$root/log" | sed 's/^/log	/'
line used "$(du -sb "$root" 2>/dev/null | cut -f 1)" "$(df -B1 --output=avail /opt | tail -n 1 | tr -d ' ')"
exit 0
