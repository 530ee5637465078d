# Write a generation beside the live one and let the new binaries judge it.
# Arguments: generation id, then a line per validator: `user command…` with tab-separated words.
# Standard input: a tar of the generation, base64-encoded. A generation that is there already is mended file
# by file, each by rename, since `current` may point at it.
set -eu
umask 022
trap '[ $? -eq 0 ] || rm -rf /run/lgtm/lock' EXIT
generation=/opt/lgtm/generations/$1
shift
rm -rf /opt/lgtm/generations/*.part
work=$generation.part
mkdir "$work"
base64 -d | tar -x --no-same-owner -m -C "$work" -f -
if [ -d "$generation" ]; then
	find "$generation" -mindepth 1 ! -type d ! -type f -exec rm -f {} +
	find "$generation" -type d ! -perm 755 -exec chmod 755 {} +
	cd "$work"
	find . -mindepth 1 -type d | while IFS= read -r folder; do
		if [ -f "$generation/$folder" ]; then rm -f "$generation/$folder"; fi
	done
	find . -type f | while IFS= read -r file; do
		cmp -s "$file" "$generation/$file" && [ "$(stat -c %a:%u:%g "$generation/$file")" = 644:0:0 ] && continue
		if [ -d "$generation/$file" ]; then rm -rf "${generation:?}/$file"; fi
		mkdir -p "$(dirname "$generation/$file")"
		mv -T "$file" "$generation/$file"
		touch "$generation/$file"
		: >"$file"
	done
	cd "$generation"
	find . -type f | while IFS= read -r file; do [ -e "$work/$file" ] || rm -f "$file"; done
	rm -rf "$work"
else
	mv -T "$work" "$generation"
fi
cd /
set -f
for validator in "$@"; do
	IFS='	'
	# shellcheck disable=SC2086  # split at tabs on purpose
	set -- $validator
	unset IFS
	user=$1
	shift
	if ! output=$(runuser -u "$user" -- "$@" 2>&1); then
		printf '%s: the new configuration was refused; nothing was switched. It says:\n%s\n' "${1##*/}" "$output" >&2
		exit 1
	fi
done
