# Fetch URLs, one a line on standard input as `user secret url`; print for each its HTTP status and its body
# (base64), or 000 and the error. A user other than `-` is authenticated by the password in
# /etc/lgtm/secrets/<secret>, which curl reads from a pipe: it is in no argument list. A mail server is logged in
# to and asked for nothing; it gets the password over TLS only, unless it is this very host.
options() {
	if [ "$1" != - ]; then printf 'user = "%s:%s"\n' "$1" "$(sed 's/[\\"]/\\&/g' "/etc/lgtm/secrets/$2")"; fi
	case $3 in
	smtp://127.* | smtp://localhost:* | smtp://\[::1\]:*) printf 'request = NOOP\nmax-time = 10\n' ;;
	smtp*) printf 'request = NOOP\nmax-time = 10\nssl-reqd\n' ;;
	esac
}
while read -r user secret url; do
	body=$(mktemp)
	error=$(mktemp)
	if ! status=$(options "$user" "$secret" "$url" | curl --silent --show-error --max-time 5 --config - \
		--output "$body" --write-out '%{http_code}' "$url" 2>"$error"); then
		status=000
		cp "$error" "$body"
	fi
	printf '%s %s\n' "$status" "$(base64 -w 0 <"$body")"
	rm -f "$body" "$error"
done
exit 0
