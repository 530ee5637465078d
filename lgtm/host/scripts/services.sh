#!/bin/sh
# Functions that start, stop and reload services, so that each runs what `current` says. Sourced by activate.sh, and by
# the scripts that stop and start a service.
#
# A service's card is the file services/NAME in its generation. It has one fact per line: what the service runs, how to
# see that it is ready, how it reloads.
root=/opt/lgtm
run=/run/lgtm
began=$(date +%s)
deadline= # when waiting for services ends, in seconds since the epoch; empty: no deadline

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; }

card() { # service, fact: its values, one per line. It starts no process, because a switch calls it dozens of times
	while read -r fact value; do [ "$fact" != "$2" ] || printf '%s\n' "$value"; done <"$root/current/services/$1"
}
reversed() { order | sed '1!G;h;$!d'; }
order() { [ -e "$root/current/order" ] && cat "$root/current/order"; }
property() { systemctl show "lgtm-$1.service" --property="$2" --value; }

sums() { # service, restart-file|reload-file: the present digests of those files
	card "$1" "$2" | (cd "$root/current/" && xargs -r -d '\n' sha256sum)
}

# Each note is written under another name and renamed, because a service in a crash loop writes it all the time and a
# reader must never see half of it.
started() {
	mkdir -p "$run"
	sums "$1" restart-file >"$run/$1.started.new" # a file that is missing is left out, which is a difference, too
	sums "$1" reload-file >"$run/$1.loaded.new"
	card "$1" drain >"$run/$1.drain.new"
	for note in started loaded drain; do mv "$run/$1.$note.new" "$run/$1.$note"; done
}

stale_secret() { # systemd copies secrets when a service starts: does any copy differ from its secret by now?
	for secret in $(card "$1" secret); do
		cmp -s "/etc/lgtm/secrets/$1/$secret" "/run/credentials/lgtm-$1.service/$secret" || return 0
	done
	return 1
}

runs_other_binary() {
	exe=$(readlink "/proc/$(property "$1" MainPID)/exe") || return 0
	case "$exe" in *" (deleted)") return 0 ;; "$(card "$1" artifact)"/*) return 1 ;; *) return 0 ;; esac
}

needs_restart() {
	systemctl is-active --quiet "lgtm-$1.service" || return 0
	[ "$(sums "$1" restart-file)" = "$(cat "$run/$1.started" 2>/dev/null)" ] || return 0
	stale_secret "$1" || runs_other_binary "$1"
}

needs_reload() { [ "$(sums "$1" reload-file)" != "$(cat "$run/$1.loaded" 2>/dev/null)" ]; }

# Patterns of the lines that say why a program ended: Go, logfmt, JSON, the dynamic linker, Python.
panics='^(panic|fatal error|SIG[A-Z]+): '
errors='(level|lvl)="?(error|eror|fatal|panic|dpanic|crit)|"level": ?"(error|fatal|panic)"|error while loading shared '
errors="$errors"'|^(fatal|error|failed|invalid|cannot|could not|unknown|flag provided)|^[a-z_./-]+: (fatal|error): '
errors="$errors"'|error (loading|parsing|running)|^[a-z_.]*(Error|Exception): |^[EF][0-9]{4} '
endings='^(fatal|error): ' # the last line of a program that reports its own error
ends='exited|deactivated|failed|killed|timed out|asserts|unable to|denied' # systemd's words for a unit that ended or did not start

newline='
'

# Each of these filters reads the journal of one start and prints some of its lines.
panicked() { sed -n -E "/$panics/{p;n;/^\[signal /p;q}"; }
first() { # pattern: the first such line, and up to three indented lines that follow it
	sed -n -E -e "/$1/I{p" -e ':more' -e 'n;/^[[:space:]]/{p' -e 'b more' -e '};q}' | head -n 4
}
# If a program ends with a line about its own error, that line is the cause: what it logged before may be about something
# else. The last error that it logged comes second.
erred() {
	text=$(cat)
	cause=$(printf '%s\n' "$text" | first "$endings")
	[ "$cause" ] && skipped="$endings" || skipped='^$' cause=${cause:-$(printf '%s\n' "$text" | first "$errors")}
	last=$(printf '%s\n' "$text" | grep -a -i -E "$errors" | grep -a -v -i -E "$skipped" | tail -n 1)
	printf '%s\n' "$cause"
	case "$cause" in "$last"*) ;; *) printf '%s\n' "$last" ;; esac
}
of_systemd() { # service
	grep -a -i -E -e "^lgtm-$1.service: .*($ends)" -e "^(Assertion|Dependency) failed for " | sed "s/^lgtm-$1.service: //" |
		grep -a -v -e "^Failed with result '\(exit-code\|signal\|core-dump\)'" -e '^Scheduled' | sort -u |
		sed -e 's|status=31/SYS.*|& (a system call that the unit forbids, see SystemCallFilter)|' \
			-e 's|OOM killer.*|& (it needs more memory than the host or its memory_max gives it)|' -e 's/^/systemd: /'
}
of_program() { grep -a -v -e "^lgtm-$1.service: " -e "^[A-Z][a-z ]* lgtm-$1.service" -e "^[A-Z][a-z ]* pyinfra-lgtm: $1"; }
shortened() { LC_ALL=C.UTF-8 sed -E 's/^(.{220}).*(.{220})$/\1 … \2/'; } # the cause is at the start or the end of a long line

reasons() { # service; standard input is the journal of one start. Print why it ended, the cause first
	all=$(cat)
	own=$(printf '%s\n' "$all" | of_program "$1")
	ended=$(printf '%s\n' "$all" | of_systemd "$1")
	died=$(printf '%s\n' "$own" | panicked)
	if [ -z "$died" ]; then
		died=$(printf '%s\n' "$own" | erred)
		case "$ended" in
		*"$newline"* | *code=killed* | *code=dumped* | *failed*)
			died="$ended$newline$died" ended='' # something else ended it, so its own errors come second
			;;
		*) [ "$died" ] || died=$(printf '%s\n' "$own" | tail -n 3) ;;
		esac
	fi
	printf '%s\n%s\n' "$died" "$ended" | grep -a . | shortened
}

why() { # service, since (for journalctl; empty: recently). Print why its last start failed, the cause first
	id=$(property "$1" InvocationID) since=--since=$2 ended_since=--since=$2
	[ "$2" ] || since=--lines=200 ended_since=--since=-5min
	if [ "$(property "$1" NRestarts)" != 0 ]; then # it may have started again by now, so take the last start that has ended:
		# the ids are those of systemd's messages "Failed with result" and "Deactivated successfully"
		ended=$(journalctl -q "$ended_since" --unit="lgtm-$1.service" --output=json \
			MESSAGE_ID=d9b373ed55a64feb8242e02dbe79a49c MESSAGE_ID=7ad2d189f7e94e70a38c781354912448 2>/dev/null | tail -n 1 |
			sed -n 's/.*"INVOCATION_ID" *: *"\([0-9a-f]*\)".*/\1/p')
		id=${ended:-$id}
	fi
	journalctl --sync 2>/dev/null
	lines=$(journalctl -q "$since" --output=cat "_SYSTEMD_INVOCATION_ID=$id" + "INVOCATION_ID=$id" 2>/dev/null | tail -n 1000)
	if [ -z "$(printf '%s\n' "$lines" | of_program "$1")" ]; then
		# If the process was gone before journald read its output, the lines have the id of a later start, or none.
		near=$(journalctl -q "$ended_since" --output=cat --unit="lgtm-$1.service" 2>/dev/null | tail -n 1000)
		lines=${near:-$lines}
	fi
	[ "$lines" ] || lines=$(journalctl -q "$since" --output=cat --unit="lgtm-$1.service" 2>/dev/null | tail -n 1000)
	printf '%s\n' "$lines" | reasons "$1"
}

journal() { # service: print why it failed in this switch, and the command that shows its full journal
	why "$1" "@$began" >&2
	fail "full journal: journalctl -u lgtm-$1 --since=@$began"
}

await() { # service: wait until its readiness endpoint answers 200; a crash loop ends the wait
	card "$1" ready | while read -r seconds url; do
		until=$(($(date +%s) + seconds))
		[ -z "$deadline" ] || [ "$until" -le "$deadline" ] || until=$deadline
		while ! curl --silent --fail --output /dev/null --max-time 2 "$url"; do
			if [ "$(property "$1" NRestarts)" -ge 2 ]; then
				fail "$1 keeps restarting:"
				journal "$1"
				exit 1
			fi
			if [ "$(date +%s)" -ge "$until" ]; then
				fail "$1 was not ready within $seconds s, or before the time for all services was over ($url):"
				journal "$1"
				exit 1
			fi
			sleep 0.1
		done
	done
}

reload() { # service: reload it, and confirm that by its own metrics, because a signal has no answer
	card "$1" reload | while read -r signal seconds success stamp url; do
		before=$(curl --silent --max-time 2 "$url" | grep "^${stamp}[ {]")
		# A success of 0 is news only if it was 1 before: during a revert, it is still that of the failed reload.
		was=$(curl --silent --max-time 2 "$url" | grep "^${success}[ {]" | grep -c ' 1$')
		[ "$signal" = - ] || systemctl kill --kill-who=main --signal="$signal" "lgtm-$1.service"
		digest=$(sums "$1" reload-file | cut -d ' ' -f 1)
		until=$(($(date +%s) + seconds))
		while :; do
			now=$(curl --silent --max-time 2 "$url" | grep -e "^${stamp}[ {]" -e "^${success}[ {]")
			good=$(printf '%s\n' "$now" | grep "^${success}[ {]" | grep -c ' 1$')
			line=$(printf '%s\n' "$now" | grep "^${stamp}[ {]")
			if [ "$signal" = - ]; then
				case "$good$line" in 1*"$digest"*) break ;; esac
			elif [ "$good" = 1 ] && [ "$line" != "$before" ]; then
				break
			fi
			if { [ "$signal" != - ] && [ "$good$was" = 01 ] && [ -n "$line" ]; } || [ "$(date +%s)" -ge "$until" ]; then
				fail "$1 did not load its new configuration ($success is not 1, or there was no reload):"
				journal "$1"
				exit 1
			fi
			sleep 0.1
		done
	done || {
		rm -f "$run/$1.loaded" # so that a revert reloads it too; else it would report a failed reload for ever
		return 1
	}
	sums "$1" reload-file >"$run/$1.loaded"
	say "reloaded $1"
}

drained() { # service: may it be stopped now? Not while the service it writes to is away: unsent data would be lost
	url=$(cat "$run/$1.drain" 2>/dev/null)
	[ -z "$url" ] || ! systemctl is-active --quiet "lgtm-$1.service" ||
		curl --silent --fail --output /dev/null --max-time 2 --retry 3 --retry-delay 1 --retry-all-errors "$url"
}

restart() { # service: stop it, if it runs, start it, and wait until it is ready
	if ! drained "$1"; then
		fail "$1 is not stopped: $(cat "$run/$1.drain") does not answer, and data that $1 has not sent yet would be lost"
		return 1
	fi
	systemctl stop "lgtm-$1.service"
	systemctl reset-failed "lgtm-$1.service" 2>/dev/null
	if ! output=$(systemctl start "lgtm-$1.service" 2>&1); then
		fail "$1 did not start:"
		journal "$1"
		printf '%s\n' "$output" | grep -v -e '^Job for ' -e '^See "systemctl ' >&2
		return 1
	fi
	await "$1" || return 1
	say "started $1"
}

settle() { # make every service run what `current` says
	restarts=
	for service in $(order); do
		needs_restart "$service" && restarts="$restarts $service "
	done
	for service in $(reversed); do # a writer stops before the service it writes to; if that is away, once it is back
		case "$restarts" in *" $service "*) drained "$service" && systemctl stop "lgtm-$service.service" ;; esac
	done
	for service in $(order); do
		case "$restarts" in
		*" $service "*) restart "$service" || return 1 ;;
		*) if needs_reload "$service"; then reload "$service" || return 1; fi ;;
		esac
	done
}
