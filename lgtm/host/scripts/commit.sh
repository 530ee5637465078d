# Commit the switch: the new generation stays. Argument: how many good generations to keep.
exec /usr/local/lib/lgtm/activate.sh commit "$1"
