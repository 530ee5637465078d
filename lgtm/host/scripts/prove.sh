# Keep the verdict on a release where it runs, and say since when it has been well there. Arguments: release,
# generation, `well` or `unwell`. Prints seconds since the epoch: now, and since when (`-`: it is not well).
set -eu
umask 022
mkdir -p /opt/lgtm
file=/opt/lgtm/proved
touch "$file"
now=$(date +%s)
{ tail -n 500 "$file"; echo "$now $1 $2 $3"; } >"$file.new"
mv "$file.new" "$file"
since=-
while read -r at release generation verdict; do
	if [ "$release $generation $verdict" != "$1 $2 well" ]; then since=-; elif [ "$since" = - ]; then since=$at; fi
done <"$file"
echo "$now $since"
