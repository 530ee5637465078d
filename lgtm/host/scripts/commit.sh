# Stay on the generation that was switched to. Argument: how many good generations to keep.
exec /usr/local/lib/lgtm/activate.sh commit "$1"
