#!/bin/sh
# The switch, on the host: moves `current` to a generation, makes every service run what `current` says, and
# goes back by itself unless it is told to stay.
#
#   activate.sh arm ID SECONDS WHO   write `pending`, set the dead-man timer
#   activate.sh flip ID              move `current`, restart and reload what changed, wait; goes back on failure
#   activate.sh commit               stay: the timer is disarmed. Fails if a revert came first
#   activate.sh revert WHY           go back to the generation before `pending`
#   activate.sh recover              at boot, before every service: undo a switch that nobody committed
#   activate.sh started SERVICE      note what a service is being started from (ExecStartPre of its unit)
#
# Whether a switch stays is decided once, by whoever renames `pending` first.
set -u
umask 022

root=/opt/lgtm
run=/run/lgtm
systemd=/etc/systemd/system
self=/usr/local/lib/lgtm/activate.sh

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; }

audit() { # action, from, to, outcome
	printf '{"time":%s,"who":"%s","action":"%s","from":"%s","to":"%s","outcome":"%s"}\n' \
		"$(date +%s)" "${who:-host}" "$1" "$2" "$3" "$(printf '%s' "$4" | tr -d '"\\\n')" >>"$root/log"
}

card() { sed -n "s|^$2 ||p" "$root/current/services/$1"; } # service, fact
order() { [ -e "$root/current/order" ] && cat "$root/current/order"; }
reversed() { order | sed '1!G;h;$!d'; }
unit() { printf 'lgtm-%s.service' "$1"; }
property() { systemctl show "$(unit "$1")" --property="$2" --value; }

sums() { # service, restart-file|reload-file: digests of those files as they are now
	card "$1" "$2" | (cd "$root/current/" && while read -r file; do sha256sum "$file"; done)
}

started() {
	mkdir -p "$run"
	sums "$1" restart-file >"$run/$1.started"
	sums "$1" reload-file >"$run/$1.loaded"
}

stale_secret() { # a credential is a copy made at start: is any older than the secret it was made from?
	for secret in $(card "$1" secret); do
		cmp -s "/etc/lgtm/secrets/$1/$secret" "/run/credentials/$(unit "$1")/$secret" || return 0
	done
	return 1
}

runs_other_binary() {
	exe=$(readlink "/proc/$(property "$1" MainPID)/exe") || return 0
	case "$exe" in *" (deleted)") return 0 ;; "$(card "$1" artifact)"/*) return 1 ;; *) return 0 ;; esac
}

owes_restart() {
	systemctl is-active --quiet "$(unit "$1")" || return 0
	[ "$(sums "$1" restart-file)" = "$(cat "$run/$1.started" 2>/dev/null)" ] || return 0
	stale_secret "$1" || runs_other_binary "$1"
}

owes_reload() { [ "$(sums "$1" reload-file)" != "$(cat "$run/$1.loaded" 2>/dev/null)" ]; }

journal() { journalctl --no-pager --output=cat --unit="$(unit "$1")" --since="@$began" 2>/dev/null | tail -n 25 >&2; }

await() { # service: until its readiness endpoint answers 200; a crash loop ends the wait
	card "$1" ready | while read -r seconds url; do
		until=$(($(date +%s) + seconds))
		while ! curl --silent --fail --output /dev/null --max-time 2 "$url"; do
			if [ "$(property "$1" NRestarts)" -ge 2 ]; then
				fail "$1 starts and ends again and again; its last words:"
				journal "$1"
				exit 1
			fi
			if [ "$(date +%s)" -ge "$until" ]; then
				fail "$1 was not ready after $seconds s ($url); its last words:"
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
		[ "$signal" = - ] || systemctl kill --kill-who=main --signal="$signal" "$(unit "$1")"
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
			if { [ "$signal" != - ] && [ "$good" = 0 ] && [ -n "$line" ]; } || [ "$(date +%s)" -ge "$until" ]; then
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

point() { # generation id, or - for none
	if [ "$1" = - ]; then
		rm -f "$root/current"
	else
		ln -sfn "generations/$1" "$root/current.new" && mv -T "$root/current.new" "$root/current"
	fi
}

link() { # unit links and members of lgtm.target: those of `current`, and no others
	mkdir -p "$systemd/lgtm.target.wants"
	for path in "$systemd"/lgtm-*.service "$systemd"/*.wants/lgtm-*.service; do
		[ -L "$path" ] || continue
		service=${path##*/lgtm-}
		[ "$service" = recover.service ] && continue
		order | grep -qx "${service%.service}" && continue
		[ "${path%/*}" = "$systemd" ] && systemctl stop "${path##*/}" 2>/dev/null
		rm -f "$path"
	done
	for service in $(order); do
		ln -sfn "$root/current/units/$(unit "$service")" "$systemd/$(unit "$service")"
		ln -sfn "../$(unit "$service")" "$systemd/lgtm.target.wants/$(unit "$service")"
	done
	systemctl daemon-reload
}

settle() { # make every service run what `current` says
	owing=''
	for service in $(order); do
		owes_restart "$service" && owing="$owing $service "
	done
	for service in $(reversed); do # a writer stops before what it writes to
		case "$owing" in *" $service "*) systemctl stop "$(unit "$service")" ;; esac
	done
	for service in $(order); do
		case "$owing" in
		*" $service "*)
			systemctl reset-failed "$(unit "$service")" 2>/dev/null
			if ! systemctl start "$(unit "$service")"; then
				fail "$service did not start; its last words:"
				journal "$service"
				return 1
			fi
			await "$service" || return 1
			say "started $service"
			;;
		*) if owes_reload "$service"; then reload "$service" || return 1; fi ;;
		esac
	done
}

arm() { # id, seconds, who
	from=$(basename "$(readlink "$root/current" || echo -)")
	if [ -e "$root/pending" ]; then
		fail "a switch is under way already ($(cat "$root/pending")); it commits or reverts by itself"
		return 1
	fi
	printf '%s %s %s %s %s\n' "$from" "$1" "$(($(date +%s) + $2))" "$(cat /proc/sys/kernel/random/boot_id)" "$3" \
		>"$root/pending.new"
	sync -f "$root/pending.new" # the whole file system: artifacts and generation too are on disk before the switch
	mv "$root/pending.new" "$root/pending"
	systemctl stop lgtm-revert.timer 2>/dev/null
	systemctl reset-failed lgtm-revert.service 2>/dev/null
	systemd-run --quiet --collect --unit=lgtm-revert --on-active="$2" --timer-property=AccuracySec=100ms \
		"$self" revert "nobody committed within $2 s"
}

flip() { # id
	point "$1" && link && settle && say "now on $1" && return 0
	revert "activation failed"
	return 1
}

decide() { # name: rename `pending`; whoever succeeds has decided. Sets from, to and who
	mv "$root/pending" "$root/$1" 2>/dev/null || return 1
	read -r from to _ _ who <"$root/$1"
}

revert() { # why
	if [ ! -e "$root/reverting" ] && ! decide reverting; then
		say "nothing to revert"
		return 0
	fi
	read -r from to _ _ who <"$root/reverting"
	point "$from" && link && settle
	outcome=$?
	audit revert "$to" "$from" "$1"
	rm -rf "$root/reverting" "$run/lock"
	systemctl stop lgtm-revert.timer 2>/dev/null
	if [ "$from" = - ]; then say "reverted: the services are stopped again ($1)"; else say "reverted to $from ($1)"; fi
	return "$outcome"
}

commit() {
	if ! decide committed; then
		fail "too late: this host has gone back already ($(tail -n 1 "$root/log" 2>/dev/null))"
		return 1
	fi
	systemctl stop lgtm-revert.timer 2>/dev/null
	audit deploy "$from" "$to" committed
	rm -rf "$root/committed" "$run/lock"
	say "committed $to"
}

recover() { # the services themselves are started by lgtm.target, after this
	rm -f "$root/committed"
	[ -e "$root/reverting" ] || decide reverting || return 0
	read -r from to _ _ who <"$root/reverting"
	point "$from" && link
	audit revert "$to" "$from" "the host was rebooted before the switch was committed"
	rm -f "$root/reverting"
}

began=$(date +%s)
action=$1
shift
case "$action" in
arm | flip | commit | revert | recover | started) "$action" "$@" ;;
*) fail "activate.sh: unknown action $action" && exit 64 ;;
esac
