#!/bin/sh
# What a host's services are made of, and making them run what `current` says. Read in by activate.sh, and by scripts of
# lgtm/host that stop and start a service.
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
	sums "$1" restart-file >"$run/$1.started.new" && mv "$run/$1.started.new" "$run/$1.started"
	sums "$1" reload-file >"$run/$1.loaded.new" && mv "$run/$1.loaded.new" "$run/$1.loaded"
	card "$1" drain >"$run/$1.drain.new" && mv "$run/$1.drain.new" "$run/$1.drain"
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

journal() { journalctl --no-pager --output=cat --unit="lgtm-$1.service" --since="@$began" 2>/dev/null | tail -n 25 >&2; }

await() { # service: until its readiness endpoint answers 200; a crash loop ends the wait
	card "$1" ready | while read -r seconds url; do
		until=$(($(date +%s) + seconds))
		[ -z "$deadline" ] || [ "$until" -le "$deadline" ] || until=$deadline
		while ! curl --silent --fail --output /dev/null --max-time 2 "$url"; do
			if [ "$(property "$1" NRestarts)" -ge 2 ]; then
				fail "$1 starts and ends again and again; its last words:"
				journal "$1"
				exit 1
			fi
			if [ "$(date +%s)" -ge "$until" ]; then
				fail "$1 was not ready in time, $seconds s or what was left of all ($url); its last words:"
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
				fail "$1 did not take its new configuration ($success is not 1, or nothing was loaded); its last words:"
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
	if ! systemctl start "lgtm-$1.service"; then
		fail "$1 did not start; its last words:"
		journal "$1"
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
