# Revert the switch. Argument: why.
exec /usr/local/lib/lgtm/activate.sh revert "$1"
