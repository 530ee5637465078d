# Fetch URLs, one a line on standard input; print for each its HTTP status and its body (base64) or the error.
while read -r url; do
	body=$(mktemp)
	error=$(mktemp)
	status=$(curl --silent --show-error --max-time 5 --output "$body" --write-out '%{http_code}' "$url" 2>"$error")
	[ "$status" = 000 ] && cp "$error" "$body"
	printf '%s %s\n' "$status" "$(base64 -w 0 <"$body")"
	rm -f "$body" "$error"
done
exit 0
