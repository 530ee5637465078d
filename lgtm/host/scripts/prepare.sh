# Create users and data directories, and write the support files that every host has. Arguments, each group closed by
# `--`: users to create; directories that need the right to be passed through (o+x); volumes as `user:mode:path`; paths
# of support files. Standard input: the text of each support file, base64-encoded, one per line.
set -eu
umask 022
trap '[ $? -eq 0 ] || rm -rf /run/lgtm/lock' EXIT
while [ "$1" != -- ]; do
	getent passwd "$1" >/dev/null ||
		useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$1"
	shift
done
shift
while [ "$1" != -- ]; do
	chmod o+x "$1"
	shift
done
shift
while [ "$1" != -- ]; do
	user=${1%%:*} rest=${1#*:}
	mode=${rest%%:*} path=${rest#*:}
	mkdir -p "$path"
	# Only wrong owners and modes are changed; content and modification times stay.
	find "$path" -xdev \( ! -user "$user" -o ! -group "$user" \) -exec chown -h "$user:$user" {} +
	find "$path" -xdev -mindepth 1 \( -type d ! -perm -u=rwx -o -type f ! -perm -u=rw -o ! -type l -perm -o=w \) \
		-exec chmod u+rwX,o-w {} +
	chmod "$mode" "$path"
	shift
done
shift
for path in "$@"; do
	read -r text
	mkdir -p "$(dirname "$path")"
	printf %s "$text" | base64 -d >"$path.new"
	case "$path" in *.sh) chmod 755 "$path.new" ;; *) chmod 644 "$path.new" ;; esac
	mv -T "$path.new" "$path"
done
systemd=/etc/systemd/system
mkdir -p $systemd/multi-user.target.wants $systemd/lgtm.target.wants
ln -sfnT $systemd/lgtm.target $systemd/multi-user.target.wants/lgtm.target
ln -sfnT $systemd/lgtm-recover.service $systemd/lgtm.target.wants/lgtm-recover.service
