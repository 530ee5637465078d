# What must be so before Grafana starts; run as its own user.
#
#   prepare.sh ARTIFACT VERSION CONFIG DATA PASSWORD
#
# The key that the database is encrypted with exists and is never changed. A database that another version has run with
# is backed up, since its migration cannot be undone. The administrator's password is the one in the file PASSWORD.
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
	copy=$data/backup/$last.db
	copied ||
		refuse "$database could not be backed up to $copy before $version changes it; is $data full? Nothing was changed"
	printf 'grafana: %s is %s as %s left it\n' "$copy" "$database" "$last"
	[ ! -s "$data/backup/$version.db" ] ||
		printf 'grafana: %s is what %s left when it last ran\n' "$data/backup/$version.db" "$version"
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
back_up
printf '%s\n' "$version" | replace "$record"
set_password
