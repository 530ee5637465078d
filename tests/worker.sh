#!/bin/sh
# The Python of a pytest worker, for `--tx popen//python=tests/worker.sh`: in a network, mounts, processes and control
# groups of its own. So each has a lab at the usual addresses, under the usual names, and meets no other; what takes
# long to make is shared. Whatever it leaves ends with it. Descriptor 3 is the way back into the machine's own network,
# for the few things that a test must fetch: `nsenter --net=/proc/self/fd/3`.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
shared="image artifacts debian"

outside() {
	trap : INT TERM HUP # which those inside get, too; this tidies up after them
	[ -d "$root/.lab" ] || mkdir -m 700 "$root/.lab"
	own=$(mktemp -d "$root/.lab/worker-XXXXXX")
	groups=
	for hierarchy in $(hierarchies); do
		groups="$groups $hierarchy/lgtm-${own##*/}"
	done
	mkdir $groups
	status=0
	(
		for group in $groups; do sh -c 'echo $PPID' >"$group/cgroup.procs"; done
		export LGTM_OUTSIDE=3
		exec 3</proc/self/ns/net unshare --net --mount --cgroup --pid --fork --kill-child --mount-proc "$0" --inside "$own" "$@"
	) || status=$?
	rm -rf "$own"
	for group in $groups; do find "$group" -depth -type d -exec rmdir {} +; done
	exit "$status"
}

# Not exec: process 1 is a shell, which takes notice of every orphan that ends.
inside() {
	own=$1
	shift
	mkdir "$own/sys" "$own/lab"
	mount -t sysfs sysfs "$own/sys" # whose interfaces are those of this network
	unified=$(unified) named=$(named) # seen from here, each begins at this worker's group
	umount "$unified" $named
	mount --rbind /sys/fs/cgroup "$own/sys/fs/cgroup"
	mount --move "$own/sys" /sys
	mount -t cgroup2 cgroup2 "$unified"
	[ -z "$named" ] || mount -t cgroup -o none,name=systemd cgroup "$named"
	mkdir -p /run/systemd/nspawn
	mount -t tmpfs tmpfs /run/systemd/nspawn
	# The disks of the repository's own lab, if that is up: here its hosts do not run, and theirs are in the way.
	findmnt -rno TARGET | grep "^$root/\.lab/machines/" | sort -r | while read -r mounted; do umount --lazy "$mounted"; done
	for folder in $shared; do
		mkdir -p "$root/.lab/$folder" "$own/lab/$folder"
		mount --bind "$root/.lab/$folder" "$own/lab/$folder"
	done
	mount --rbind "$own/lab" "$root/.lab"
	ip link set lo up
	"$root/.venv/bin/python" "$@"
	exit $?
}

# Where control groups are mounted: v2, and systemd's own of v1 where there is one.
unified() { findmnt -nt cgroup2 -o TARGET | head -n 1; }
named() { findmnt -nt cgroup -O name=systemd -o TARGET | head -n 1; }
hierarchies() { unified; named; }

if [ "$(id -u)" != 0 ]; then
	exec "$root/.venv/bin/python" "$@" # which boots no machines
elif [ "$1" = --inside ]; then
	shift
	inside "$@"
else
	outside "$@"
fi
