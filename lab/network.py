"""The bridge that the hosts hang on, and nothing beyond it.

198.18.0.0/24 is part of the range set aside for benchmarks (RFC 2544): no real host has one of its
addresses. There is no router on it; a host has a route to the bridge's own network and to nothing else.
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Interface
from pathlib import Path

from .errors import LabError
from .shell import attempt, run
from .waiting import until

NUMBERING_STARTS_AFTER = 10


@dataclass(frozen=True)
class Network:
    """A bridge with this machine's address on it."""

    bridge: str = "lgtm-lab"
    interface: IPv4Interface = field(default=IPv4Interface("198.18.0.1/24"))

    @property
    def gateway(self) -> str:
        """This machine's address, where the services listen that the hosts talk to."""
        return str(self.interface.ip)

    @property
    def most_hosts(self) -> int:
        """How many hosts fit below the network's broadcast address."""
        return self.interface.network.num_addresses - 2 - NUMBERING_STARTS_AFTER

    def address(self, number: int) -> IPv4Interface:
        """Return the address of host `number`, with the network's prefix."""
        if not 1 <= number <= self.most_hosts:
            raise LabError(
                f"{self.interface.network} has room for hosts 1 to {self.most_hosts}, not for host {number}."
            )
        address = self.interface.network.network_address + NUMBERING_STARTS_AFTER + number
        return IPv4Interface((address, self.interface.network.prefixlen))

    def port(self, machine: str) -> str:
        """Return this machine's end of a host's cable, as systemd-nspawn names it (15 characters at most)."""
        return f"vb-{machine}"[:15]

    def owner(self) -> Path | None:
        """Return the lab directory that made the bridge; None if there is none, or no lab made it."""
        try:
            written = (self._device / "ifalias").read_text().strip()
        except OSError:
            return None
        return Path(written) if written else None

    def create(self, owner: Path) -> None:
        """Create the bridge, with its owner as alias. LabError if the name is taken."""
        if self._device.exists():
            raise LabError(f"No lab made the interface {self.bridge}; `ip link delete {self.bridge}` removes it.")
        # Not in one command: `ip link add` takes an alias and forgets it.
        # Its address is set: a bridge without one takes that of a cable, and another when that cable goes.
        run("ip", "link", "add", self.bridge, "address", self._mac, "type", "bridge")
        run("ip", "link", "set", self.bridge, "alias", owner)
        # Its network is IPv4 alone; where the kernel has no IPv6 at all, this fails and does not matter.
        attempt("ip", "link", "set", self.bridge, "addrgenmode", "none")
        run("ip", "address", "add", str(self.interface), "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")
        # A host answers within milliseconds of booting: ask again soon, not after the usual second.
        Path(f"/proc/sys/net/ipv4/neigh/{self.bridge}/retrans_time_ms").write_text("50")

    def remove(self) -> None:
        """Remove the bridge if a lab made it, and the cables that killed hosts left on it."""
        if self.owner() is None:
            return
        # A cable goes with its host's network namespace, a moment after the host's last process.
        until(lambda: not self._ports(), 2)
        for port in self._ports():
            attempt("ip", "link", "delete", port)
        run("ip", "link", "delete", self.bridge)

    def unplug(self, machine: str) -> None:
        """Wait until a stopped host's cable is gone, and remove it if it stays."""
        cable = Path("/sys/class/net", self.port(machine))
        if not until(lambda: not cable.exists(), 2):
            attempt("ip", "link", "delete", cable.name)

    @property
    def _mac(self) -> str:
        """A locally administered hardware address, made of this machine's address on the bridge."""
        return ":".join(f"{byte:02x}" for byte in (0x02, 0x00, *self.interface.ip.packed))

    @property
    def _device(self) -> Path:
        return Path("/sys/class/net", self.bridge)

    def _ports(self) -> list[str]:
        folder = self._device / "brif"
        return [port.name for port in folder.iterdir()] if folder.is_dir() else []
