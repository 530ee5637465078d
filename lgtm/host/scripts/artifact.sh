# Install an artifact. It is verified before it is unpacked, and complete before it is visible.
# Arguments: directory name, sha256, layout (tar, flat or binary), name of a bare binary, and its source: a URL, or the
# path of an uploaded file, which is removed.
set -eu
umask 022
trap '[ $? -eq 0 ] || rm -rf /run/lgtm/lock' EXIT
target=/opt/lgtm/artifacts/$1
work=$target.part
rm -rf "$target".part "$target".old
mkdir "$work"
case "$5" in
http://* | https://*)
	archive=$target.download
	curl --silent --show-error --fail --location --connect-timeout 10 --retry 3 --output "$archive" "$5"
	;;
*) archive=$5 ;;
esac
sum=$(sha256sum <"$archive" | cut -c 1-64)
if [ "$sum" != "$2" ]; then
	rm -rf "$archive" "$work"
	echo "$1: checksum mismatch: expected $2, got $sum; nothing was unpacked" >&2
	exit 1
fi
case "$3" in
tar) tar -x --strip-components=1 --no-same-owner -C "$work" -f "$archive" ;;
flat) tar -x --no-same-owner -C "$work" -f "$archive" ;;
binary) cp "$archive" "$work/$4" && chmod 755 "$work/$4" ;;
esac
rm -f "$archive"
chmod -R u=rwX,go=rX "$work"
cd "$work"
find . -type f ! -name .seal -printf '%P %s %T@ %C@ %m\n' | sort | sha256sum >.seal
[ -e "$target" ] && mv -T "$target" "$target.old"
mv -T "$work" "$target"
rm -rf "$target.old"
