#!/bin/sh
# Turns Debian's minimal system into a lab host. mmdebstrap calls it with the new system's root as $1.
set -eu
root=$1
cp -rT --no-preserve=mode "$(dirname "$0")/files" "$root"
chmod 0440 "$root/etc/sudoers.d/operator"

# Debian has a group of this name and no user. The GECOS field is where pam_umask reads a user's own umask, and
# PAM rather than a shell profile sets it, so that it also holds for `ssh host command`.
chroot "$root" useradd --create-home --shell /bin/bash --gid operator --comment 'umask=077' operator
echo 'session optional pam_umask.so' >>"$root/etc/pam.d/common-session"

chroot "$root" systemctl --quiet enable systemd-networkd.service
chroot "$root" systemctl --quiet mask console-getty.service getty.target
# What wakes up by itself disturbs measurements and finds no network anyway.
chroot "$root" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_all.timer fstrim.timer motd-news.timer

# These belong to each host, and the controller's resolver to none of them.
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/hostname" "$root/etc/resolv.conf"
: >"$root/etc/machine-id"
