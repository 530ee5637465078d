"""The identities of the lab's hosts: keys, known_hosts and the ssh configuration."""

import hashlib
import os
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path

from .layout import Layout
from .shell import run

USER = "operator"

SSH_CONFIG = """\
# Written by `python -m lab up`. Use: ssh -F {config} {first}
Host lab*
    User {user}
    IdentityFile "{key}"
    IdentitiesOnly yes
    UserKnownHostsFile "{known_hosts}"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    ConnectTimeout 10
"""


@dataclass(frozen=True)
class Identity:
    """What stays the same when a host is reset: its name, address, sshd key and machine id."""

    name: str
    interface: IPv4Interface
    folder: Path

    @property
    def host_key(self) -> Path:
        return self.folder / "ssh_host_ed25519_key"

    @property
    def public_key(self) -> str:
        return self.host_key.with_suffix(".pub").read_text().strip()

    @property
    def machine_id(self) -> str:
        """Derive 32 hex digits from the host's key: different on every host, the same after every reset."""
        return hashlib.sha256(self.public_key.encode()).hexdigest()[:32]


def generate(layout: Layout, identities: list[Identity]) -> None:
    """Create missing keys, then write known_hosts and ssh_config for these hosts."""
    _key(layout.client_key, "lgtm-lab")
    for identity in identities:
        identity.folder.mkdir(exist_ok=True)
        _key(identity.host_key, identity.name)
    known = [f"{host.name},{host.interface.ip} {host.public_key}\n" for host in identities]
    layout.known_hosts.write_text("".join(known))
    layout.ssh_config.write_text(_ssh_config(layout, identities))


def _ssh_config(layout: Layout, identities: list[Identity]) -> str:
    common = SSH_CONFIG.format(
        config=os.path.relpath(layout.ssh_config, layout.home),
        first=identities[0].name if identities else "lab1",
        user=USER,
        key=layout.client_key,
        known_hosts=layout.known_hosts,
    )
    return common + "".join(f"Host {host.name}\n    HostName {host.interface.ip}\n" for host in identities)


def _key(path: Path, comment: str) -> None:
    # ssh-keygen writes the public half last: without it the pair is not whole.
    if not path.with_suffix(".pub").exists():
        path.unlink(missing_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path)
