#!/bin/sh
# What the test hosts' image gets after its packages; $1 is the root of the image.
set -eu

chroot "$1" useradd --create-home --shell /bin/bash ops
echo 'ops ALL=(ALL) NOPASSWD: ALL' >"$1/etc/sudoers.d/ops"
chmod 0440 "$1/etc/sudoers.d/ops"

cat >"$1/etc/ssh/sshd_config.d/hosts.conf" <<'CONF'
AuthorizedKeysFile /etc/ssh/authorized_keys
PasswordAuthentication no
UseDNS no
MaxStartups 100
CONF

# They wait for hardware, clocks and networks that a container has not got.
for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer systemd-timesyncd.service \
    systemd-networkd.service systemd-resolved.service getty@tty1.service console-getty.service; do
    chroot "$1" systemctl mask "$unit" >/dev/null 2>&1
done

# A host is one kind of router, and few are one of the others: whoever sets them up starts them, and nobody else.
chroot "$1" systemctl disable nginx.service prometheus.service redis-server.service >/dev/null 2>&1
