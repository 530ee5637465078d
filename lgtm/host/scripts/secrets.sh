# Write and remove secrets. Arguments: names (service/name) to remove, `--`, names to write. Standard input: the values
# to write, base64-encoded, one per line.
set -eu
umask 077
trap '[ $? -eq 0 ] || rm -rf /run/lgtm/lock' EXIT
root=/etc/lgtm/secrets
mkdir -p "$root"
while [ "$1" != -- ]; do
	rm -f "$root/$1"
	shift
done
shift
for name in "$@"; do
	read -r value
	mkdir -p "$root/${name%/*}"
	printf %s "$value" | base64 -d >"$root/$name.new"
	chown root:root "$root/$name.new"
	mv -T "$root/$name.new" "$root/$name"
done
