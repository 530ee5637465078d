#!/bin/sh
# What a host's services are made of, and making them run what `current` says. Read in by activate.sh, and by scripts of
# lgtm/host/scripts that stop and start a service.
#
# A service's card, services/NAME in its generation, has a fact a line: what it runs, when it is ready, how it reloads.
root=/opt/lgtm
run=/run/lgtm
began=$(date +%s)
deadline= # after which nothing is awaited any more, in seconds since the epoch; empty: none

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; }

card() { # service, fact: its values, a line each. No process of its own: it is asked dozens of times a switch
	while read -r fact value; do [ "$fact" != "$2" ] || printf '%s\n' "$value"; done <"$root/current/services/$1"
}
reversed() { order | sed '1!G;h;$!d'; }
order() { [ -e "$root/current/order" ] && cat "$root/current/order"; }
property() { systemctl show "lgtm-$1.service" --property="$2" --value; }

sums() { # service, restart-file|reload-file: digests of those files as they are now
	card "$1" "$2" | (cd "$root/current/" && xargs -r -d '\n' sha256sum)
}

# Each note is whole whenever somebody reads it: what crashes again and again writes them again and again.
started() {
	mkdir -p "$run"
	sums "$1" restart-file >"$run/$1.started.new" # of the files that are there: one that is gone is a difference, too
	sums "$1" reload-file >"$run/$1.loaded.new"
	card "$1" drain >"$run/$1.drain.new"
	for note in started loaded drain; do mv "$run/$1.$note.new" "$run/$1.$note"; done
}

stale_secret() { # a credential is a copy made at start: is any older than the secret it was made from?
	for secret in $(card "$1" secret); do
		cmp -s "/etc/lgtm/secrets/$1/$secret" "/run/credentials/lgtm-$1.service/$secret" || return 0
	done
	return 1
}

runs_other_binary() {
	exe=$(readlink "/proc/$(property "$1" MainPID)/exe") || return 0
	case "$exe" in *" (deleted)") return 0 ;; "$(card "$1" artifact)"/*) return 1 ;; *) return 0 ;; esac
}

owes_restart() {
	systemctl is-active --quiet "lgtm-$1.service" || return 0
	[ "$(sums "$1" restart-file)" = "$(cat "$run/$1.started" 2>/dev/null)" ] || return 0
	stale_secret "$1" || runs_other_binary "$1"
}

owes_reload() { [ "$(sums "$1" reload-file)" != "$(cat "$run/$1.loaded" 2>/dev/null)" ]; }

# How the line begins, or what it has in it, with which a program says why it ends: Go, logfmt, JSON, the linker, Python.
panics='^(panic|fatal error|SIG[A-Z]+): '
errors='(level|lvl)="?(error|eror|fatal|panic|dpanic|crit)|"level": ?"(error|fatal|panic)"|error while loading shared '
errors="$errors"'|^(fatal|error|failed|invalid|cannot|could not|unknown|flag provided)|^[a-z_./-]+: (fatal|error): '
errors="$errors"'|error (loading|parsing|running)|^[a-z_.]*(Error|Exception): |^[EF][0-9]{4} '
farewells='^(fatal|error): ' # what a program says of its error in the end
ends='exited|deactivated|failed|killed|timed out|asserts|unable to|denied' # what systemd says of a unit that ended, or never began

newline='
'

# Each reads the journal of one start, and prints lines of it.
panicked() { sed -n -E "/$panics/{p;n;/^\[signal /p;q}"; }
first() { # pattern: the first such line, and up to three that belong to it, since they are indented
	sed -n -E -e "/$1/I{p" -e ':more' -e 'n;/^[[:space:]]/{p' -e 'b more' -e '};q}' | head -n 4
}
# A program that says goodbye with its error knows it best: what it logged before may be about other things. The last
# thing it logged comes second.
erred() {
	text=$(cat)
	cause=$(printf '%s\n' "$text" | first "$farewells")
	[ "$cause" ] && skipped="$farewells" || skipped='^$' cause=${cause:-$(printf '%s\n' "$text" | first "$errors")}
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
shortened() { LC_ALL=C.UTF-8 sed -E 's/^(.{220}).*(.{220})$/\1 … \2/'; } # the cause stands at either end of a long line

reasons() { # service; standard input is the journal of one start: why it ended, the cause first
	all=$(cat)
	own=$(printf '%s\n' "$all" | of_program "$1")
	ended=$(printf '%s\n' "$all" | of_systemd "$1")
	died=$(printf '%s\n' "$own" | panicked)
	if [ -z "$died" ]; then
		died=$(printf '%s\n' "$own" | erred)
		case "$ended" in
		*"$newline"* | *code=killed* | *code=dumped* | *failed*)
			died="$ended$newline$died" ended='' # it did not end by itself, so its own errors come second
			;;
		*) [ "$died" ] || died=$(printf '%s\n' "$own" | tail -n 3) ;;
		esac
	fi
	printf '%s\n%s\n' "$died" "$ended" | grep -a . | shortened
}

why() { # service, since when (for journalctl; empty: of late): why its last start failed, the cause first
	id=$(property "$1" InvocationID) since=--since=$2 ended_since=--since=$2
	[ "$2" ] || since=--lines=200 ended_since=--since=-5min
	if [ "$(property "$1" NRestarts)" != 0 ]; then # it may have begun anew by now: the last start that came to its end
		# By the ids of systemd's messages "Failed with result" and "Deactivated successfully".
		ended=$(journalctl -q "$ended_since" --unit="lgtm-$1.service" --output=json \
			MESSAGE_ID=d9b373ed55a64feb8242e02dbe79a49c MESSAGE_ID=7ad2d189f7e94e70a38c781354912448 2>/dev/null | tail -n 1 |
			sed -n 's/.*"INVOCATION_ID" *: *"\([0-9a-f]*\)".*/\1/p')
		id=${ended:-$id}
	fi
	journalctl --sync 2>/dev/null
	found=$(journalctl -q "$since" --output=cat "_SYSTEMD_INVOCATION_ID=$id" + "INVOCATION_ID=$id" 2>/dev/null | tail -n 1000)
	if [ -z "$(printf '%s\n' "$found" | of_program "$1")" ]; then
		# Words of a process that was gone when journald came to read them carry the id of a later start, or none.
		near=$(journalctl -q "$ended_since" --output=cat --unit="lgtm-$1.service" 2>/dev/null | tail -n 1000)
		found=${near:-$found}
	fi
	[ "$found" ] || found=$(journalctl -q "$since" --output=cat --unit="lgtm-$1.service" 2>/dev/null | tail -n 1000)
	printf '%s\n' "$found" | reasons "$1"
}

journal() { # service: why it failed in this switch, and where the rest is to be read
	why "$1" "@$began" >&2
	fail "all of it: journalctl -u lgtm-$1 --since=@$began"
}

await() { # service: until its readiness endpoint answers 200; a crash loop ends the wait
	card "$1" ready | while read -r seconds url; do
		until=$(($(date +%s) + seconds))
		[ -z "$deadline" ] || [ "$until" -le "$deadline" ] || until=$deadline
		while ! curl --silent --fail --output /dev/null --max-time 2 "$url"; do
			if [ "$(property "$1" NRestarts)" -ge 2 ]; then
				fail "$1 starts and ends again and again:"
				journal "$1"
				exit 1
			fi
			if [ "$(date +%s)" -ge "$until" ]; then
				fail "$1 was not ready in time, $seconds s or what was left of all ($url):"
				journal "$1"
				exit 1
			fi
			sleep 0.1
		done
	done
}

reload() { # service: confirmed by its own metrics, since a signal tells nothing
	card "$1" reload | while read -r signal seconds success stamp url; do
		before=$(curl --silent --max-time 2 "$url" | grep "^${stamp}[ {]")
		# A success of 0 tells something new only where it was 1: going back, it is still that of the last reload.
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
				fail "$1 did not take its new configuration ($success is not 1, or nothing was loaded):"
				journal "$1"
				exit 1
			fi
			sleep 0.1
		done
	done || {
		rm -f "$run/$1.loaded" # so that going back reloads it too: it would report its last reload as failed for ever
		return 1
	}
	sums "$1" reload-file >"$run/$1.loaded"
	say "reloaded $1"
}

drained() { # service: may it be stopped now? Not while what it writes to is away: what it still holds would be lost
	url=$(cat "$run/$1.drain" 2>/dev/null)
	[ -z "$url" ] || ! systemctl is-active --quiet "lgtm-$1.service" ||
		curl --silent --fail --output /dev/null --max-time 2 --retry 3 --retry-delay 1 --retry-all-errors "$url"
}

restart() { # service: stopped, if it is not yet, started and awaited
	if ! drained "$1"; then
		fail "$1 is not stopped: $(cat "$run/$1.drain") does not answer, and what $1 still holds for it would be lost"
		return 1
	fi
	systemctl stop "lgtm-$1.service"
	systemctl reset-failed "lgtm-$1.service" 2>/dev/null
	if ! said=$(systemctl start "lgtm-$1.service" 2>&1); then
		fail "$1 did not start:"
		journal "$1"
		printf '%s\n' "$said" | grep -v -e '^Job for ' -e '^See "systemctl ' >&2
		return 1
	fi
	await "$1" || return 1
	say "started $1"
}

settle() { # make every service run what `current` says
	owing=
	for service in $(order); do
		owes_restart "$service" && owing="$owing $service "
	done
	for service in $(reversed); do # a writer stops before what it writes to; or, if that is away, once it is back
		case "$owing" in *" $service "*) drained "$service" && systemctl stop "lgtm-$service.service" ;; esac
	done
	for service in $(order); do
		case "$owing" in
		*" $service "*) restart "$service" || return 1 ;;
		*) if owes_reload "$service"; then reload "$service" || return 1; fi ;;
		esac
	done
}
