# Record the verdict of verify.py on a release. Arguments: release, generation, `well` (healthy) or `unwell` (failing).
# Prints two times in seconds since the epoch: now, and since when the release has been healthy here (`-`: it is not).
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
