# Write a generation beside the live one and let the new binaries judge it.
# Arguments: generation id, then a line per rehearsal, with tabs between: service, `validator` or `version`, the
# program's name, and the command as a unit file has it. Standard input: a tar of the generation, base64-encoded. A generation that is there already is mended file
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

# --- The rehearsal: what the switch will start runs now, as the service's user in the sandbox of the service's unit.

systemctl stop 'lgtm-rehearsal-*' 2>/dev/null || true # of a run that was killed
systemctl reset-failed 'lgtm-rehearsal-*' 2>/dev/null || true
rm -f /run/systemd/system/lgtm-rehearsal-*.service
for scratch in /run/lgtm/rehearsal.*; do umount "$scratch" 2>/dev/null || true; done
rm -rf /run/lgtm/rehearsal.*
scratch=$(mktemp -d /run/lgtm/rehearsal.XXXXXX)
trap '[ $? -eq 0 ] || rm -rf /run/lgtm/lock; umount "$scratch" 2>/dev/null; rm -rf "$scratch"' EXIT
mount -t tmpfs -o size=1m,mode=700 rehearsal "$scratch" # whoever prints without end must not fill /run
tries=0
tab='	'
identity='User|Group|SupplementaryGroups|Environment|UMask' # what is no restriction
# Nothing may be written: volumes are read-only here, and a runtime directory would be taken from the process that has it.
elsewhere='Type|Exec[A-Za-z]*|Restart[A-Za-z]*|Timeout[A-Za-z]*|LoadCredential|ReadWritePaths|[A-Za-z]*Directory[A-Za-z]*|Memory[HLM][a-z]*|CPUQuota'

properties() { # service: the lines of its unit that say as whom it runs, and what it may do
	sed '1,/^\[Service\]/d' "$generation/units/lgtm-$1.service" | grep -E '^[A-Za-z]+=' | grep -Ev "^($elsewhere)="
}

untouched() { # service: what holds with and without the sandbox: nothing of the running service is written to
	echo NoNewPrivileges=yes
	sed -n 's/^ReadWritePaths=/ReadOnlyPaths=-/p' "$generation/units/lgtm-$1.service"
}

try() { # service, command, seconds, properties. Sets said and how, systemd's word on its end
	tries=$((tries + 1))
	unit=lgtm-rehearsal-${scratch##*.}-$tries.service
	{
		printf '[Service]\nType=oneshot\nTimeoutStartSec=%s\nTimeoutStopSec=2\nExecStart=%s\n' "$3" "$2"
		printf 'StandardOutput=truncate:%s\nStandardError=inherit\n' "$scratch/said"
		untouched "$1"
		printf '%s\n' "$4"
	} >"/run/systemd/system/$unit"
	ended=0
	systemctl start "$unit" >/dev/null 2>&1 || ended=1
	if [ $ended = 1 ]; then
		how="$(systemctl show -P Result "$unit") $(systemctl show -P ExecMainStatus "$unit")"
		said=$(head -c 4000 "$scratch/said" 2>/dev/null | tr -d '\000-\010\013-\037' || true)
		systemctl reset-failed "$unit" 2>/dev/null || true
	fi
	rm -f "/run/systemd/system/$unit"
	return $ended
}

refuse() {
	printf '%s; nothing was switched. It says:\n%s\n' "$1" "${2:-nothing}" >&2
	exit 1
}

culprit() { # service, command: the directive without which it runs, if it is one alone
	for directive in $(properties "$1" | cut -d = -f 1 | grep -Evx "$identity" | sort -u); do
		if try "$1" "$2" 10 "$(properties "$1" | grep -v "^$directive=")"; then
			printf 'of its unit, but does without %s' "$directive"
			return 0
		fi
	done
	printf 'of its unit, but does without it; no directive alone is the cause'
}

rehearse() { # service, kind, program, command
	[ "$2" = version ] && seconds=10 || seconds=60
	if try "$1" "$4" "$seconds" "$(properties "$1")"; then return 0; fi
	inside=$said
	case "$2 $how" in "version timeout "*) return 0 ;; esac # it takes no heed of --version, and lives
	if try "$1" "$4" "$seconds" "$(properties "$1" | grep -E "^($identity)=")"; then
		refuse "$1: $3 does not run in the sandbox $(culprit "$1" "$4")" "$inside"
	fi
	case "$2 $how $said" in # it takes no heed of --version: what it does then is another matter
	"version timeout "* | version*"address already in use"*) return 0 ;;
	esac
	case "$how" in
	*" 126" | *" 127" | *" 203") refuse "$1: $3 cannot be run on this host: it lacks a library, or is for another system" "$said" ;;
	signal* | core-dump* | timeout*) refuse "$1: $3 ends by ${how% *} ${how#* } on this host" "$said" ;;
	esac
	case "$2$said" in
	validator*) refuse "$1: $3: the new configuration was refused" "$said" ;;
	*panic:* | *"fatal error:"*) refuse "$1: $3 --version crashes on this host" "$said" ;;
	esac # else it does not know --version
}

for line in "$@"; do
	service=${line%%"$tab"*} rest=${line#*"$tab"}
	kind=${rest%%"$tab"*} rest=${rest#*"$tab"}
	rehearse "$service" "$kind" "${rest%%"$tab"*}" "${rest#*"$tab"}"
done
