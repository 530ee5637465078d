# Print everything that a plan needs to know about a host, in one remote command. Arguments: the declared generation, its
# volumes as `user:path`, `--`, and mount points that must be mounted. Standard input: a line of random text, which is
# mixed into the digests of secrets so that they are useless to others.
# Output: lines `kind fields…`, separated by tabs. Lines whose value changes without anybody changing it begin with `~`.
# Every process costs some milliseconds, and every run calls this script, so one process handles many files.
set -u
read -r nonce
wanted=$1
shift
root=/opt/lgtm
newline='
'
line() { usual=$IFS; IFS='	'; printf '%s\n' "$*"; IFS=$usual; }

. /etc/os-release
line os "$ID" "${VERSION_ID:-}" "$(uname -m)"
read -r boot </proc/sys/kernel/random/boot_id
line ~now "$(date +%s)" "$boot"
total='' available=''
while read -r key kib _; do
	case $key in MemTotal:) total=$kib ;; MemAvailable:) available=$kib ;; esac
done </proc/meminfo
read -r uptime _ </proc/uptime
line ~memory "$total" "$available" "$uptime"
for tool in systemctl curl tar sha256sum ss findmnt; do command -v "$tool" >/dev/null || line lacks "$tool"; done
current=$(readlink "$root/current" || echo -)
current=${current##*/}
line current "$current"
[ -e "$root/current" ] && [ ! -L "$root/current" ] && line planted "$root/current" "$(stat -c %F "$root/current")"
for switch in pending reverting; do [ -e "$root/$switch" ] && line pending "$(cat "$root/$switch")"; done
[ "$wanted" = "$current" ] && both=$current || both="$wanted $current"
for generation in $both; do
	[ -d "$root/generations/$generation" ] || continue
	cd "$root/generations/$generation" || exit 1
	find . -type f -printf "mode\t$generation\t%m\t%U:%G\t%P\n" \
		-o ! \( -type d -perm 0755 \) -printf "file\t$generation\t%y\t%m\t%U:%G\t%P\n"
	find . -type f -exec sha256sum {} + | sed "s/^\([0-9a-f]*\)  \.\//sum	$generation	\1	/"
done
cd /
support="/usr/local/lib/lgtm/activate.sh /usr/local/lib/lgtm/services.sh
	/etc/systemd/system/lgtm.target /etc/systemd/system/lgtm-recover.service"
# shellcheck disable=SC2086  # a list of paths without spaces
{
	sha256sum $support | while read -r sum path; do line support "$path" "$sum"; done
	stat -c 'access	%n	%a:%U' $support
} 2>/dev/null
find /etc/systemd/system/lgtm.target.wants /etc/systemd/system/multi-user.target.wants /etc/systemd/system \
	-maxdepth 1 -name 'lgtm*' ! -type d -printf 'link\t%p\t%l\n' 2>/dev/null
for path in "$root"/artifacts/*/; do
	[ -e "$path.seal" ] || continue
	cd "$path" || continue
	seal=$(find . -type f ! -name .seal -printf '%P %s %T@ %C@ %m\n' | sort | sha256sum)
	read -r known <.seal
	path=${path%/}
	[ "$seal" = "$known" ] && line artifact "${path##*/}"
done
cd /
users=' ' present='' places='' ways=''
for user in $(getent passwd | sed -n 's/^\(lgtm-[^:]*\):.*/\1/p'); do
	line user "$user"
	users="$users$user "
done
while [ $# -gt 0 ] && [ "$1" != -- ]; do
	user=${1%%:*} path=${1#*:}
	if [ -e "$path" ]; then
		present="$present $path"
		real=$(readlink -f "$path")
		ways="$ways ${path%/*} ${real%/*}"
		used=$(du -sx --block-size=1 "$path" 2>/dev/null)
		[ -z "$used" ] || line ~used "$path" "${used%%	*}"
		# Wrong means: another owner, or a mode that keeps the owner out or lets everybody write. Print the first, and
		# how many.
		case "$users" in *" $user "*)
			find "$path" -xdev -mindepth 1 \( ! -user "$user" -o ! -group "$user" \
				-o -type d ! -perm -u=rwx -o -type f ! -perm -u=rw -o ! -type l -perm -o=w \) \
				-printf "wrong\t$path\t%U:%G\t%m\t%P\n" 2>/dev/null | {
				# With `~`, because the service's own writes, removals and renames change the first and the count.
				IFS= read -r first && line owners "$path" && line "~$first" "$(($(wc -l) + 1))"
			}
			;;
		esac
	fi
	until [ -e "$path" ]; do path=${path%/*} path=${path:-/}; done
	line ~lies "${1#*:}" "$path"
	[ "$path" = "${1#*:}" ] || ways="$ways $path $(readlink -f "$path")"
	places="$places $path"
	shift
done
# Directories above volumes and binaries that the services' users may not pass through.
above=''
for path in $ways "$root/artifacts" "$root/generations" /usr/local/lib/lgtm; do
	while [ "$path" ]; do
		case $path in /*) ;; *) break ;; esac # the remainder of a path that contains a space
		case " $present " in *" $path "*) ;; *) above="$above $path" ;; esac
		path=${path%/*}
	done
done
# shellcheck disable=SC2086  # a list of paths without spaces
find $above -maxdepth 0 -type d ! -perm -o=x -printf 'closed\t%p\t%m\n' 2>/dev/null | sort -u
# shellcheck disable=SC2086  # lists of paths without spaces
if [ "$places" ]; then
	[ -z "$present" ] || stat -c 'volume	%n	%U:%G	%a	%F' $present
	df --block-size=1 --output=avail,iavail,file,target $places | {
		read -r _
		seen=''
		while read -r free inodes path target; do
			[ "$target" = "$seen" ] || options=$(findmnt -no OPTIONS --mountpoint "$target")
			seen=$target options=${options##*"$newline"} # the last of several mounts hides the others
			line ~room "$path" "$target" "$free" "${options%%,*}" "$inodes"
		done
	}
fi
[ $# -eq 0 ] || shift
for path in "$@"; do mountpoint -q "$path" || line unmounted "$path"; done
grep -s '^secret ' "$root"/generations/*/services/* /dev/null | sed 's|^.*/services/\([^:]*\):secret |named	\1/|' | sort -u
[ -d /etc/lgtm/secrets ] && cd /etc/lgtm/secrets && find . -type f -printf '%P %m:%u\n' | while read -r path mode; do
	digest=$({ printf %s "$nonce"; cat "$path"; } | sha256sum)
	cmp -s "$path" "/run/credentials/lgtm-${path%%/*}.service/${path##*/}" && fresh=fresh || fresh=
	line ~secret "$path" "$mode" "${digest%% *}" "$fresh"
done
cd /
# The services of `current`, and those whose unit is linked, in case `current` is broken.
linked() { find /etc/systemd/system -maxdepth 1 -name 'lgtm-*.service' -printf '%f\n' | sed 's/^lgtm-//; s/\.service$//'; }
named() { find "$root/current/services/" -type f -printf '%f\n' 2>/dev/null; }
set --
for service in $({ linked; named; } | grep -vx recover | sort -u); do
	set -- "$@" "lgtm-$service.service"
	for note in started loaded; do
		[ -e "/run/lgtm/$service.$note" ] && while read -r sum path; do
			line "$note" "$service" "$sum" "$path"
		done <"/run/lgtm/$service.$note"
	done
	card=$root/current/services/$service
	[ -e "$card" ] && while read -r key value; do
		[ "$key" = version ] && line runs "$service" "$value"
	done <"$card"
done
# systemd prints the properties of each unit, with an empty line between units.
# These lines begin with `~`, because a service in a crash loop changes them all the time: the deploy that repairs it
# must not be stopped by "the host has changed".
asked=Id,MainPID,ActiveState,NRestarts,MemoryCurrent,MemoryMax,ActiveEnterTimestampMonotonic
[ $# -eq 0 ] || { systemctl show "$@" --property=$asked; echo; } | {
	executables=''
	while IFS='=' read -r property value; do
		case $property in
		Id) service=${value#lgtm-} service=${service%.service} ;;
		MainPID) pid=$value executables="$executables /proc/$value/exe" ;;
		ActiveState) state=$value ;;
		NRestarts) restarts=$value ;;
		MemoryCurrent) memory=$value ;;
		MemoryMax) most=$value ;;
		ActiveEnterTimestampMonotonic) since=$value ;;
		'')
			line ~unit "$service" "$state" "$pid"
			line ~use "$service" "$restarts" "$memory" "$most" "$since"
			;;
		esac
	done
	# shellcheck disable=SC2086  # a list of paths without spaces
	find $executables -maxdepth 0 -printf '~executes\t%h\t%l\n' 2>/dev/null
}
ss -Hltnp | while read -r _ _ _ address _ process; do line ~listen "$address" "$process"; done
exit 0
