#!/bin/sh
# The switch, on the host: moves `current` to a generation, starts and reloads the services that changed, and reverts
# unless the controller commits.
#
#   activate.sh arm ID SECONDS WHO [ACTION [SERVICES]]   write `pending`, start the dead-man timer. SERVICES (separated
#                                    by commas) stay in a revert as ID has them, because their data cannot go back
#   activate.sh flip ID [SECONDS]    move `current`, restart and reload what changed, within SECONDS; revert on failure
#   activate.sh commit [KEEP]        stay: stop the timer, remove all but KEEP good generations. Fails after a revert
#   activate.sh revert WHY           return to the generation that was in force before the switch
#   activate.sh recover              at boot, before every service: revert a switch that was not committed
#   activate.sh started SERVICE      record what a service is started from (ExecStartPre of its unit)
#   activate.sh audit ACTION FROM TO OUTCOME WHO   write an action to the log
#
# Commit and revert both begin with a rename of `pending`. Only one of them can succeed, and that one decides. Only one
# action at a time moves `current` or touches services. A revert stops the activation that it reverts.
set -u
umask 022

systemd=/etc/systemd/system
here=${0%/*}

# shellcheck source=lgtm/host/scripts/services.sh
. "$here/services.sh"

alone() { mkdir -p "$run" && exec 9>"$run/switching" && flock 9; }

quoted() { printf '%s' "$1" | tr '\n\t' '  ' | sed 's/[\\"]/\\&/g' | tr -d '\000-\037'; }

audit() { # action, from, to, outcome, who
	printf '{"time":%s,"who":"%s","action":"%s","from":"%s","to":"%s","outcome":"%s"}\n' \
		"$(date +%s)" "$(quoted "$5")" "$1" "$2" "$3" "$(quoted "$4")" >>"$root/log"
}

point() { # generation id, or - for none
	if [ "$1" = - ]; then
		rm -f "$root/current"
	else
		rm -rf "$root/current.new"
		ln -sfnT "generations/$1" "$root/current.new" && mv -T "$root/current.new" "$root/current"
	fi
}

link() { # link the units of `current` into systemd and lgtm.target, and remove all other links of ours
	mkdir -p "$systemd/lgtm.target.wants"
	gone='' kept=" $(order | tr '\n' ' ')"
	for path in "$systemd"/lgtm-*.service "$systemd"/*.wants/lgtm-*.service; do
		[ -L "$path" ] || continue
		service=${path##*/lgtm-}
		[ "$service" = recover.service ] && continue
		case "$kept" in *" ${service%.service} "*) ;; *) gone="$gone $path" ;; esac
	done
	# Prometheus stops before Mimir. The order of the other removed services does not matter.
	# shellcheck disable=SC2086  # a list of paths without spaces
	for path in $(printf '%s\n' $gone | sed 's|.*/||' | sort -ur); do systemctl stop "$path"; done
	# shellcheck disable=SC2086
	rm -f $gone
	units='' members=''
	for service in $kept; do
		units="$units $root/current/units/lgtm-$service.service" members="$members ../lgtm-$service.service"
	done
	# shellcheck disable=SC2086
	if [ "$units" ]; then ln -sfn -t "$systemd" $units && ln -sfn -t "$systemd/lgtm.target.wants" $members; fi
	systemctl daemon-reload
}

arm() { # id, seconds, who, action, services whose data cannot go back
	alone
	from=$(basename "$(readlink "$root/current" || echo -)")
	if [ -e "$root/pending" ] || [ -e "$root/reverting" ]; then
		fail "a switch is under way already ($(cat "$root/pending" "$root/reverting" 2>/dev/null)); it commits or reverts by itself"
		return 1
	fi
	printf '%s %s %s %s %s %s %s\n' "$from" "$1" "$(($(date +%s) + $2))" "$(cat /proc/sys/kernel/random/boot_id)" \
		"${4:-deploy}" "${5:--}" "$3" >"$root/pending.new"
	sync -f "$root/pending.new" # syncs the whole file system: artifacts and generation are on disk before the switch
	systemctl stop lgtm-revert.timer 2>/dev/null
	systemctl reset-failed lgtm-revert.service 2>/dev/null
	# The timer starts first. If this script dies before `pending` exists, the timer finds nothing to revert. Without a
	# timer nothing would revert the switch, so there is no switch.
	systemd-run --quiet --collect --unit=lgtm-revert --on-active="$2" --timer-property=AccuracySec=100ms \
		--property=Restart=on-abnormal --property=RestartSec=1 "$here/activate.sh" revert "nobody committed within $2 s" || return 1
	mv "$root/pending.new" "$root/pending"
}

flip() { # id, seconds
	alone
	[ -z "${2-}" ] || deadline=$(($(date +%s) + $2))
	read -r _ to _ <"$root/pending" && [ "$to" = "$1" ] || return 1
	point "$1" && link && settle && say "switched to $1" && return 0
	deadline=
	back "activation failed"
	return 1
}

decide() { # name: rename `pending` to it. Whoever succeeds has decided. Sets from, to, action, keep and who
	mv "$root/pending" "$root/$1" 2>/dev/null && recall "$1"
}

recall() { read -r from to _ _ action keep who <"$root/$1"; }

forward() { # set `from` to the generation to return to. Services whose data cannot go back stay as `to` has them
	work=$root/generations/forward.part
	old=$from
	[ "$keep" = - ] || [ "$from" = - ] && return 0
	rm -rf "$work" && cp -a "$root/generations/$from" "$work" && rm -f "$work/manifest.json" || return 1
	for service in $(echo "$keep" | tr , ' '); do
		for path in "etc/$service" "units/lgtm-$service.service" "services/$service"; do
			rm -rf "${work:?}/$path"
			[ ! -e "$root/generations/$to/$path" ] || cp -a "$root/generations/$to/$path" "$work/$path" || return 1
		done
	done
	from=g$(cd "$work" && find . -type f -printf '%P\n' | LC_ALL=C sort | while read -r file; do
		echo "$(sha256sum <"$file" | cut -c 1-64)  $file"
	done | sha256sum | cut -c 1-12)
	[ -d "$root/generations/$from" ] && rm -rf "$work" || mv "$work" "$root/generations/$from" || return 1
	say "$keep stays as it is in $to, because its data cannot go back; $from is $old with that one difference"
}

back() { # why
	if [ ! -e "$root/reverting" ] && ! decide reverting; then
		say "nothing to revert"
		return 0
	fi
	recall reverting
	why=$1
	forward && point "$from" && link && settle || why="$1; not every service is healthy"
	audit revert "$to" "$from" "$why" "$who"
	rm -rf "$root/reverting" "$run/lock"
	systemctl stop lgtm-revert.timer 2>/dev/null
	if [ "$from" = - ]; then say "reverted: the services are stopped again ($why)"; else say "reverted to $from ($why)"; fi
	[ "$why" = "$1" ]
}

revert() { # why
	systemctl stop lgtm-activate.service 2>/dev/null
	alone
	back "$1"
}

commit() { # how many good generations to keep
	alone
	if ! decide committed; then
		fail "too late: this host has already reverted ($(tail -n 1 "$root/log" 2>/dev/null))"
		return 1
	fi
	systemctl stop lgtm-revert.timer 2>/dev/null
	note "$to"
	audit "$action" "$from" "$to" committed "$who"
	rm -rf "$root/committed" "$run/lock"
	say "committed $to"
	prune "${1:-5}" || fail "old generations, artifacts or secrets could not be removed"
}

note() { # id: record it as the newest good generation. A rollback drops the generations that came after it
	touch "$root/good"
	if [ "$action" = rollback ] && grep -qx "$1" "$root/good"; then
		sed "/^$1\$/q" "$root/good" >"$root/good.new"
	else
		{ grep -vx "$1" "$root/good"; echo "$1"; } >"$root/good.new"
	fi
	mv "$root/good.new" "$root/good"
}

prune() { # how many good generations to keep. The generation that was just left is kept too, for inspection
	kept=" $(tail -n "$1" "$root/good" | tr '\n' ' ') $from $to "
	for path in "$root"/generations/g????????????; do
		case "$kept" in *" ${path##*/} "*) ;; *) rm -rf "$path" ;; esac
	done
	needed=" $(sed -n 's/^artifact //p' "$root"/generations/*/services/* | tr '\n' ' ') "
	for path in "$root"/artifacts/*; do
		case "$needed" in *" $path "*) ;; *) rm -rf "$path" ;; esac
	done
	for path in /etc/lgtm/secrets/*/*; do
		name=${path#/etc/lgtm/secrets/}
		grep -qsx "secret ${name#*/}" "$root"/generations/*/services/"${name%/*}" || rm -f "$path"
	done
}

recover() { # lgtm.target starts the services after this
	alone
	if [ -e "$root/committed" ]; then # the commit was decided, and the host went down before it was recorded
		recall committed
		note "$to"
		audit "$action" "$from" "$to" "committed, and rebooted" "$who"
		rm -f "$root/committed"
	fi
	[ -e "$root/reverting" ] || decide reverting || return 0
	recall reverting
	forward && point "$from" && link
	audit revert "$to" "$from" "the host was rebooted before the switch was committed" "$who"
	rm -f "$root/reverting"
}

verb=$1
shift
case "$verb" in
arm | flip | commit | revert | recover | started | audit) "$verb" "$@" ;;
*) fail "activate.sh: unknown action $verb" && exit 64 ;;
esac
