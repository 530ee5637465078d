# What must be so before Grafana starts; run as its own user.
#
#   prepare.sh ARTIFACT VERSION CONFIG DATA PASSWORD
#
# The key that the database is encrypted with exists and is never changed. A database that another version has run with
# is backed up, since its migration cannot be undone; an older version gets back what it left, if that is still there.
# The administrator's password is the one in the file PASSWORD. The folder of plugins exists, or Grafana logs errors.
set -eu
umask 077
artifact=$1
version=$2
config=$3
data=$4
password=$5
database=$data/grafana.db
key=$data/secret_key
record=$data/last_version # the version whose migrations the database may have seen
restoring=$data/restoring # the version whose database is being put back

refuse() {
	printf 'grafana: %s\n' "$1" >&2
	exit 1
}

# replace FILE: what comes on standard input becomes FILE, whole or not at all
replace() {
	{ cat >"$1.part" && sync "$1.part" && mv "$1.part" "$1"; } || refuse "$1 could not be written; is $data full?"
}

keep_key() {
	[ ! -s "$key" ] || return 0
	[ ! -s "$database" ] ||
		refuse "$database is there, but $key, which its secrets are encrypted with, is not; put there the secret_key of the Grafana it comes from"
	od -An -N32 -tx1 /dev/urandom | tr -d ' \n' | replace "$key"
}

back_up() {
	[ -s "$database" ] || return 0
	last=$(cat "$record" 2>/dev/null) || last=
	last=${last:-unknown}
	[ "$last" != "$version" ] || return 0
	[ ! -s "$restoring" ] || return 0 # what is there is no longer whole, and has been backed up
	copy=$data/backup/$last.db
	copied ||
		refuse "$database could not be backed up to $copy before $version changes it; is $data full? Nothing was changed"
	printf 'grafana: %s is %s as %s left it\n' "$copy" "$database" "$last"
	if older "$version" "$last" && [ -s "$data/backup/$version.db" ]; then printf '%s\n' "$version" | replace "$restoring"; fi
}

older() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# An older version cannot read what a newer one has migrated.
put_back() {
	[ -s "$restoring" ] || return 0
	copy=$data/backup/$(cat "$restoring").db
	{ cp "$copy" "$database.part" && sync "$database.part"; } || refuse "$copy could not be put back; is $data full?"
	for journal in -wal -shm; do
		rm -f "$database$journal"
		[ ! -e "$copy$journal" ] || cp "$copy$journal" "$database$journal" || refuse "$copy could not be put back"
	done
	mv "$database.part" "$database" && sync && rm "$restoring"
	printf 'grafana: %s is in force again: what %s left when it last ran\n' "$copy" "$version"
}

# The database itself comes last: where it is, its journals are.
copied() {
	mkdir -p "$data/backup" || return 1
	for journal in -wal -shm; do
		rm -f "$copy$journal.part" || return 1
		[ ! -e "$database$journal" ] || cp "$database$journal" "$copy$journal.part" || return 1
	done
	cp "$database" "$copy.part" && sync "$copy.part" || return 1
	for journal in -wal -shm; do
		rm -f "$copy$journal" || return 1
		[ ! -e "$copy$journal.part" ] || mv "$copy$journal.part" "$copy$journal" || return 1
	done
	mv "$copy.part" "$copy" && sync
}

set_password() {
	[ -s "$database" ] || return 0 # Grafana makes it, with the password
	"$artifact/bin/grafana" cli --homepath "$artifact" --config "$config" \
		admin reset-admin-password --password-from-stdin <"$password" ||
		refuse "the password in $password could not be set in $database; what Grafana says of it stands above"
}

keep_key
mkdir -p "$data/plugins" || refuse "$data/plugins could not be made; is $data full?"
back_up
put_back
printf '%s\n' "$version" | replace "$record"
set_password
