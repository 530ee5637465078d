# Write a generation to disk beside the one in force, and validate it with the new binaries.
# Arguments: generation id, then one argument per rehearsal, its fields separated by tabs: service, `validator` or
# `version`, the program's name, and the command as a unit file has it. Standard input: a tar of the generation,
# base64-encoded. A generation that exists already is repaired file by file, each by rename, because `current` may point
# at it.
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

# --- The rehearsal: what the switch will start runs now, as the service's user in the sandbox of the service's unit.

systemctl stop 'lgtm-rehearsal-*' 2>/dev/null || true # left by a run that was killed
systemctl reset-failed 'lgtm-rehearsal-*' 2>/dev/null || true
rm -f /run/systemd/system/lgtm-rehearsal-*.service
for scratch in /run/lgtm/rehearsal.*; do umount "$scratch" 2>/dev/null || true; done
rm -rf /run/lgtm/rehearsal.*
scratch=$(mktemp -d /run/lgtm/rehearsal.XXXXXX)
trap '[ $? -eq 0 ] || rm -rf /run/lgtm/lock; umount "$scratch" 2>/dev/null; rm -rf "$scratch"' EXIT
mount -t tmpfs -o size=1m,mode=700 rehearsal "$scratch" # a program that prints without end must not fill /run
tries=0
tab='	'
identity='User|Group|SupplementaryGroups|Environment|UMask' # directives that restrict nothing
# Left out: a rehearsal writes nothing. Volumes are read-only, and a runtime directory belongs to the running process.
elsewhere='Type|Exec[A-Za-z]*|Restart[A-Za-z]*|Timeout[A-Za-z]*|LoadCredential|ReadWritePaths|[A-Za-z]*Directory[A-Za-z]*|Memory[HLM][a-z]*|CPUQuota'

properties() { # service: the lines of its unit that set its user and its sandbox
	sed '1,/^\[Service\]/d' "$generation/units/lgtm-$1.service" | grep -E '^[A-Za-z]+=' | grep -Ev "^($elsewhere)="
}

untouched() { # service: what holds with and without the sandbox, so that no data of the running service is written
	echo NoNewPrivileges=yes
	sed -n 's/^ReadWritePaths=/ReadOnlyPaths=-/p' "$generation/units/lgtm-$1.service"
}

try() { # service, command, seconds, properties. Sets `output`, and `how`: how systemd says it ended
	tries=$((tries + 1))
	unit=lgtm-rehearsal-${scratch##*.}-$tries.service
	{
		printf '[Service]\nType=oneshot\nTimeoutStartSec=%s\nTimeoutStopSec=2\nExecStart=%s\n' "$3" "$2"
		printf 'StandardOutput=truncate:%s\nStandardError=inherit\n' "$scratch/output"
		untouched "$1"
		printf '%s\n' "$4"
	} >"/run/systemd/system/$unit"
	ended=0
	systemctl start "$unit" >/dev/null 2>&1 || ended=1
	if [ $ended = 1 ]; then
		how="$(systemctl show -P Result "$unit") $(systemctl show -P ExecMainStatus "$unit")"
		output=$(head -c 4000 "$scratch/output" 2>/dev/null | tr -d '\000-\010\013-\037' || true)
		systemctl reset-failed "$unit" 2>/dev/null || true
	fi
	rm -f "/run/systemd/system/$unit"
	return $ended
}

refuse() {
	printf '%s; nothing was switched. Its output:\n%s\n' "$1" "${2:-(none)}" >&2
	exit 1
}

culprit() { # service, command: name the directive that stops it, if one directive alone is the cause
	for directive in $(properties "$1" | cut -d = -f 1 | grep -Evx "$identity" | sort -u); do
		if try "$1" "$2" 10 "$(properties "$1" | grep -v "^$directive=")"; then
			printf 'of its unit; it runs without %s' "$directive"
			return 0
		fi
	done
	printf 'of its unit; it runs without the sandbox, and no directive alone is the cause'
}

rehearse() { # service, kind, program, command
	[ "$2" = version ] && seconds=10 || seconds=60
	if try "$1" "$4" "$seconds" "$(properties "$1")"; then return 0; fi
	inside=$output
	case "$2 $how" in "version timeout "*) return 0 ;; esac # it ignores --version and keeps running, so it can start
	if try "$1" "$4" "$seconds" "$(properties "$1" | grep -E "^($identity)=")"; then
		refuse "$1: $3 does not run in the sandbox $(culprit "$1" "$4")" "$inside"
	fi
	case "$2 $how $output" in # it ignores --version and starts as a service, which is not what is tested here
	"version timeout "* | version*"address already in use"*) return 0 ;;
	esac
	case "$how" in
	*" 126" | *" 127" | *" 203") refuse "$1: $3 cannot be run on this host: a library is missing, or it was built for another system" "$output" ;;
	signal* | core-dump* | timeout*) refuse "$1: $3 fails on this host ($how)" "$output" ;;
	esac
	case "$2$output" in
	validator*) refuse "$1: $3 rejects the new configuration" "$output" ;;
	*panic:* | *"fatal error:"*) refuse "$1: $3 --version crashes on this host" "$output" ;;
	esac # any other failure means that it does not know --version
}

for line in "$@"; do
	service=${line%%"$tab"*} rest=${line#*"$tab"}
	kind=${rest%%"$tab"*} rest=${rest#*"$tab"}
	rehearse "$service" "$kind" "${rest%%"$tab"*}" "${rest#*"$tab"}"
done
