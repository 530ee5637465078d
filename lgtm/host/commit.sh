# Stay on the generation that was switched to.
exec /usr/local/lib/lgtm/activate.sh commit
