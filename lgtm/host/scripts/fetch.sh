# Print files that an earlier installation left. Arguments: paths. A path that does not exist is left out. For `?path`
# the output has an empty file, because its content may be a secret. Output: a .tar.gz, base64-encoded; nothing when no
# file exists; only `too large: …` when the files have more than 200 MiB.
set -eu
marks=$(mktemp -d)
trap 'rm -rf "$marks"' EXIT
cd /
size=0
for path in "$@"; do
	shift
	case "$path" in
	'?'*)
		path=${path#?}
		[ -s "$path" ] || continue
		mkdir -p "$marks$(dirname "$path")" && : >"$marks$path"
		set -- "$@" -C "$marks" "${path#/}" -C /
		;;
	*)
		[ -f "$path" ] && [ ! -L "$path" ] || continue
		set -- "$@" "${path#/}"
		size=$((size + $(stat -c %s "$path")))
		;;
	esac
done
[ $# -gt 0 ] || exit 0
if [ $size -gt 209715200 ]; then
	echo "too large: $size bytes"
	exit 0
fi
tar -c "$@" | gzip -1 | base64
