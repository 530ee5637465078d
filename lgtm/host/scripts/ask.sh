# Send requests for the health checks. Standard input has one request per line: `user secret value body url`.
# Output: a tar.gz, base64-encoded. Its file `all` has a line per request (number, curl's exit code, HTTP status and
# error, separated by tabs); the file `<number>` has the body of the answer.
# Requests run in parallel. A line `.` waits for all requests before it.
# `user` is `-` for no login and `bearer` for a token. The password or token is in /etc/lgtm/secrets/<secret>, or is
# `value` (base64) while that file does not exist yet. curl reads it from a pipe, so it is in no argument list.
# `body` (base64) is posted as JSON. A mail server gets a login and nothing else; the password goes over TLS only, except
# to a mail server on this host.
umask 077
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
answers=$folder/answers
mkdir "$answers"
tab=$(printf '\t')

# Set `credential` to the secret of a request, escaped for a quoted string. That of the previous request is reused.
set_credential() {
	[ "$1 $2" = "${known:-}" ] && return
	known="$1 $2"
	if [ "$2" != - ]; then
		credential=$(printf %s "$2" | base64 -d | sed 's/[\\"]/\\&/g')
	elif [ "$1" != - ]; then
		credential=$(sed 's/[\\"]/\\&/g' "/etc/lgtm/secrets/$1")
	else
		credential=
	fi
}

# Print curl's configuration for one request: `user body url number`. One curl sends all requests of a round.
transfer() {
	url=${3#head+}
	[ ! -s "$folder/transfers" ] || printf 'next\n'
	printf 'url = "%s"\noutput = "%s"\nsilent\n' "$url" "$answers/$4"
	printf 'write-out = "%s\\t%%{exitcode}\\t%%{http_code}\\t%%{errormsg}\\n"\n' "$4"
	case $1 in
	-) ;;
	bearer) printf 'header = "Authorization: Bearer %s"\n' "$credential" ;;
	*) printf 'user = "%s:%s"\n' "$1" "$credential" ;;
	esac
	case "$1 $3" in # without this header Grafana answers for the organisation its administrator opened last; ours is 1
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

# Requests that curl cannot send, or only in part: `user url number`. Over TLS it only shows that a Redis answers.
other() {
	case $2 in
	dns://*) if getent ahosts "${2#dns://}"; then status=200; else status=000; echo "no address for ${2#dns://}"; fi ;;
	why://*) # services.sh of an older deploy has no function `why`
		( . /usr/local/lib/lgtm/services.sh && why "${2#why://}" "" ) 2>/dev/null ||
			journalctl -u "lgtm-${2#why://}" -n 5 --no-pager -o cat 2>&1
		status=200
		;;
	redis://*)
		[ "$1" = - ] && user= || user="\"$1\""
		{
			[ -z "$credential" ] || printf 'AUTH %s "%s"\r\n' "$user" "$credential"
			printf 'PING\r\nQUIT\r\n'
		} | curl --silent --show-error --max-time 5 "telnet://${2#redis://}" 2>"$folder/$3.error"
		[ -s "$folder/$3.error" ] && status=000 && cat "$folder/$3.error" || status=200
		;;
	rediss://*)
		curl --silent --show-error --max-time 5 --output /dev/null "https://${2#rediss://}" 2>&1 </dev/null
		case $? in 0 | 1 | 8 | 52 | 56) status=200 ;; *) status=000 ;; esac
		;;
	esac >"$answers/$3"
	echo "$3${tab}0${tab}$status" >"$folder/$3.results"
}

# Send the collected requests, and wait for all answers.
round() {
	[ ! -s "$folder/transfers" ] || curl --parallel --parallel-max 24 --config - <"$folder/transfers" >"$folder/results" 2>/dev/null
	rm -f "$folder/transfers"
	wait
	cat "$folder"/*results >>"$answers/all" 2>/dev/null
	rm -f "$folder"/*results
}

number=0
while read -r user secret value body url; do
	if [ "$user" = . ] || [ -z "$user" ]; then round; continue; fi
	number=$((number + 1))
	set_credential "$secret" "$value"
	[ "$body" = - ] || printf %s "$body" | base64 -d >"$folder/$number.post"
	case $url in
	dns://* | why://* | redis://* | rediss://*) other "$user" "$url" "$number" & ;;
	*) transfer "$user" "$body" "$url" "$number" >>"$folder/transfers" ;;
	esac
done
round
tar -cz -C "$answers" . | base64 -w 0
echo
