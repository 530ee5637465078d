"""The files in which hosts differ, written to the disk before the host boots."""

import shutil
from pathlib import Path

from .certificate import Certificate
from .identity import Identity

NETWORK = """\
[Match]
Name=host0

[Network]
Address={interface}
# Not even a link-local address: the host has the one network.
LinkLocalAddressing=no
"""

# Without a resolver a name is known from here or not at all.
HOSTS = """\
127.0.0.1 localhost
::1 localhost ip6-localhost
{address} {name}
"""


def personalise(root: Path, identity: Identity, client_key: Path, trusted: Certificate) -> None:
    """Write the host's name, address, machine id and keys to a bare disk, and the lab's certificate."""
    files = {
        "hostname": f"{identity.name}\n",
        "hosts": HOSTS.format(address=identity.interface.ip, name=identity.name),
        "machine-id": f"{identity.machine_id}\n",
        "systemd/network/50-host0.network": NETWORK.format(interface=identity.interface),
        "ssh/authorized_keys": client_key.with_suffix(".pub").read_text(),
    }
    for name, content in files.items():
        path = root / "etc" / name
        path.write_text(content)
        path.chmod(0o644)
    with (root / "etc/ssl/certs/ca-certificates.crt").open("a") as bundle:
        bundle.write(trusted.public.read_text())
    for half in (identity.host_key, identity.host_key.with_suffix(".pub")):
        shutil.copy2(half, root / "etc/ssh" / half.name)
