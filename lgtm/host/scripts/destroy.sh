# Delete the data of a service that is no longer deployed on this host. Arguments: who, the service.
set -u
trap 'rm -rf /run/lgtm/lock' EXIT
who=$1 service=$2
if [ -e "/opt/lgtm/current/services/$service" ]; then
	echo "$service is still deployed on this host: take the host out of its group and deploy with --data remove=$service first" >&2
	exit 1
fi
if [ ! -e "/data/$service" ]; then
	echo "there is no /data/$service" >&2
	exit 1
fi
size=$(du -sh "/data/$service" | cut -f 1)
rm -rf "/data/${service:?}" "/etc/lgtm/secrets/${service:?}"
/usr/local/lib/lgtm/activate.sh audit destroy - - "/data/$service, $size" "$who"
echo "destroyed /data/$service, $size"
