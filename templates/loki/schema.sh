# Keeps Loki's schema append-only: logs can be read back only with the period they were written with.
#
#   schema.sh check NEW RECORD    may this host change from the periods in RECORD to those in NEW?
#   schema.sh record NEW RECORD   the same, and note in RECORD what is in force from now on
#
# RECORD lies among Loki's data. Both files have a line for each period: the day it starts (UTC), then how it stores.
# A period that has not begun may still change: nothing is written with it yet.
set -eu
action=$1
new=$2
record=$3
today=$(date -u +%Y-%m-%d)

refuse() {
	printf 'loki_schema_periods: %s\n' "$1" >&2
	exit 1
}

begun() { [ "$(printf '%s' "$1" | tr -d -)" -le "$(printf '%s' "$today" | tr -d -)" ]; }

check() {
	if [ ! -s "$record" ]; then
		[ -z "$(ls -A "${record%/*}/chunks" 2>/dev/null)" ] ||
			refuse "${record%/*} holds logs, but $record, which says how they were written, is gone; restore it"
		return 0
	fi
	while read -r start stored; do
		begun "$start" || continue
		now=$(sed -n "s/^$start //p" "$new")
		[ -n "$now" ] ||
			refuse "the period of $start is gone, but logs of this host are written with it ($stored); put it back"
		[ "$now" = "$stored" ] ||
			refuse "the period of $start is now '$now', but logs of this host are written with '$stored'; leave it as it was and add one that starts after today, $today (UTC)"
	done <"$record"
	while read -r start _; do
		if ! grep -q "^$start " "$record" && begun "$start"; then
			refuse "the period of $start is new, but logs since then are written with another; let it start after today, $today (UTC)"
		fi
	done <"$new"
}

check
if [ "$action" = record ]; then
	cp "$new" "$record.new"
	sync "$record.new"
	mv "$record.new" "$record"
fi
