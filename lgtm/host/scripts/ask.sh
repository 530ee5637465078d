# Ask questions, one a line on standard input as `user secret value body url`. Print a tar.gz (base64) of the file `all`,
# a line `number, curl's exit code, HTTP status, error` each, separated by tabs, and of a file `number` for every body.
# Questions are asked at the same time, up to a line `.`, which waits for those before it. A user other than `-` is
# authenticated by the password in /etc/lgtm/secrets/<secret>, or by `value` (base64) where nothing is written there
# yet; the user `bearer` sends it as a token. curl reads it from a pipe: it is in no argument list. A `body` (base64) is
# posted as JSON. A mail server is logged in to and asked for nothing; it gets the password over TLS only, unless it is
# this very host.
umask 077
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
answers=$folder/answers
mkdir "$answers"
tab=$(printf '\t')

# The secret of a question, for a quoted string; the same as for the question before costs nothing.
word() {
	[ "$1 $2" = "${known:-}" ] && return
	known="$1 $2"
	if [ "$2" != - ]; then
		word=$(printf %s "$2" | base64 -d | sed 's/[\\"]/\\&/g')
	elif [ "$1" != - ]; then
		word=$(sed 's/[\\"]/\\&/g' "/etc/lgtm/secrets/$1")
	else
		word=
	fi
}

# One transfer of a curl that makes all of a round's at once: `user body url number`.
transfer() {
	url=${3#head+}
	[ ! -s "$folder/transfers" ] || printf 'next\n'
	printf 'url = "%s"\noutput = "%s"\nsilent\n' "$url" "$answers/$4"
	printf 'write-out = "%s\\t%%{exitcode}\\t%%{http_code}\\t%%{errormsg}\\n"\n' "$4"
	case $1 in
	-) ;;
	bearer) printf 'header = "Authorization: Bearer %s"\n' "$word" ;;
	*) printf 'user = "%s:%s"\n' "$1" "$word" ;;
	esac
	case "$1 $3" in # Grafana answers for the organisation that its administrator last looked at, and ours is the first
	"- "* | "bearer "*) ;;
	*" http"*) printf 'header = "X-Grafana-Org-Id: 1"\n' ;;
	esac
	[ "$2" = - ] || printf 'header = "Content-Type: application/json"\ndata-binary = "@%s"\n' "$folder/$4.post"
	case $3 in
	smtp://127.* | smtp://localhost:* | smtp://\[::1\]:*) printf 'request = NOOP\nmax-time = 10\n' ;;
	smtp*) printf 'request = NOOP\nmax-time = 10\nssl-reqd\n' ;;
	head+*) printf 'head\nlocation\nmax-time = 20\n' ;;
	*) printf 'max-time = 5\n' ;;
	esac
}

# What curl does not speak, or only in part: `user url number`. Over TLS it can say of a Redis that it answers.
other() {
	case $2 in
	dns://*) if getent ahosts "${2#dns://}"; then status=200; else status=000; echo "no address for ${2#dns://}"; fi ;;
	why://*) # an older deploy left services that cannot say it
		( . /usr/local/lib/lgtm/services.sh && why "${2#why://}" "" ) 2>/dev/null ||
			journalctl -u "lgtm-${2#why://}" -n 5 --no-pager -o cat 2>&1
		status=200
		;;
	redis://*)
		[ "$1" = - ] && user= || user="\"$1\""
		{
			[ -z "$word" ] || printf 'AUTH %s "%s"\r\n' "$user" "$word"
			printf 'PING\r\nQUIT\r\n'
		} | curl --silent --show-error --max-time 5 "telnet://${2#redis://}" 2>"$folder/$3.error"
		[ -s "$folder/$3.error" ] && status=000 && cat "$folder/$3.error" || status=200
		;;
	rediss://*)
		curl --silent --show-error --max-time 5 --output /dev/null "https://${2#rediss://}" 2>&1 </dev/null
		case $? in 0 | 1 | 8 | 52 | 56) status=200 ;; *) status=000 ;; esac
		;;
	esac >"$answers/$3"
	echo "$3${tab}0${tab}$status" >"$folder/$3.said"
}

# Make the transfers that have come together, and wait for everything.
round() {
	[ ! -s "$folder/transfers" ] || curl --parallel --parallel-max 24 --config - <"$folder/transfers" >"$folder/said" 2>/dev/null
	rm -f "$folder/transfers"
	wait
	cat "$folder"/*said >>"$answers/all" 2>/dev/null
	rm -f "$folder"/*said
}

number=0
while read -r user secret value body url; do
	if [ "$user" = . ] || [ -z "$user" ]; then round; continue; fi
	number=$((number + 1))
	word "$secret" "$value"
	[ "$body" = - ] || printf %s "$body" | base64 -d >"$folder/$number.post"
	case $url in
	dns://* | why://* | redis://* | rediss://*) other "$user" "$url" "$number" & ;;
	*) transfer "$user" "$body" "$url" "$number" >>"$folder/transfers" ;;
	esac
done
round
tar -cz -C "$answers" . | base64 -w 0
echo
