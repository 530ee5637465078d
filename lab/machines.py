"""The lab as a whole: hosts, the network between them, and what they talk to; up, down, reset."""

import fcntl
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from . import artifacts, certificate, control, credentials, identity, image, limits, prerequisites, services
from .cgroup import Group
from .errors import LabError
from .host import Host
from .layout import Layout
from .network import Network
from .overlay import clear

__all__ = ["Host", "Lab"]


@dataclass(frozen=True)
class Lab:
    """A lab, by default that of the repository. Tests have their own in another directory, on another bridge."""

    layout: Layout = field(default_factory=Layout)
    network: Network = field(default_factory=Network)
    suite: str = ""  # of Debian; by default the one of the last `up`, at first bookworm

    @property
    def hosts(self) -> list[Host]:
        """The hosts that exist, running or not, in order."""
        numbers = [int(folder.name.removeprefix("lab")) for folder in self.layout.machines.glob("lab*")]
        return [self.host(number) for number in sorted(numbers)]

    def host(self, number: int) -> Host:
        """Return host `number`, whether it exists or not."""
        return Host(number, self.layout, self.network, image.path(self.layout.images, self._suite))

    def up(self, count: int = 1) -> None:
        """Start at least this many hosts, and the services they talk to. Running hosts stay as they are.

        A host that does not run is reset first.
        """
        prerequisites.ensure()
        with self._alone():
            self._refuse_if_taken()
            image.ensure(self.layout.images, self._suite)
            self._suite_file.write_text(self._suite)
            artifacts.ensure(self.layout)
            certificate.ensure(certificate.Certificate(self.layout.tls, self.network))
            self._connect()
            services.ensure(self.layout, self.network)
            wanted = {host.number: host for host in [*self.hosts, *map(self.host, range(1, count + 1))]}
            identity.generate(self.layout, [host.identity for host in wanted.values()])
            stopped = [host for host in wanted.values() if not host.is_running]
            in_parallel(Host.reset, stopped)

    def reset(self, numbers: Sequence[int] = ()) -> None:
        """Reset hosts, by default all: bare disks, same names, addresses and keys."""
        with self._alone():
            self._refuse_if_taken()
            known = {host.number: host for host in self.hosts}
            if unknown := sorted(set(numbers) - set(known)):
                missing = ", ".join(f"lab{number}" for number in unknown)
                raise LabError(f"There is no host {missing}: `make lab-up` makes hosts.")
            image.ensure(self.layout.images, self._suite)
            in_parallel(Host.reset, [known[number] for number in numbers or known])

    def down(self) -> None:
        """Remove every process, mount, interface and changed setting of the lab, even after a crash."""
        with self._alone():
            if self.taken_by() is None:
                in_parallel(Host.power_cut, self.hosts)
                self._group.kill()
                self.network.remove()
            clear(self.layout.machines)
            limits.restore_inotify(self.layout.state)

    def scenario(self, name: str, environment: str | None = None) -> None:
        """Switch the backend, in one or all of the scenario's environments, or the SMTP sink to a scenario."""
        control.switch(self.layout, self.network, name, environment)

    def prepare(self) -> None:
        """Build what takes long and is kept, if it is missing: the image of the hosts, and the artifacts."""
        prerequisites.ensure()
        with self._alone():
            image.ensure(self.layout.images, self._suite)
            artifacts.ensure(self.layout)
            credentials.ensure(self.layout.env_file)

    def taken_by(self) -> Path | None:
        """Return the other checkout whose running lab owns this bridge, if any."""
        owner = self.network.owner()
        ours = owner is None or owner == self.layout.base or not owner.is_dir()
        return None if ours or not self._group.pids() else owner

    @property
    def _suite(self) -> str:
        recorded = self._suite_file.read_text() if self._suite_file.exists() else "bookworm"
        return self.suite or recorded

    @property
    def _suite_file(self) -> Path:
        return self.layout.state / "suite"

    @property
    def _group(self) -> Group:
        return Group(self.network.bridge)

    def _refuse_if_taken(self) -> None:
        if owner := self.taken_by():
            raise LabError(
                f"{self.network.bridge} belongs to the running lab of {owner.parent}: "
                "take that one down first (`make lab-down` there)."
            )

    def _connect(self) -> None:
        """Create the bridge if it is not ours yet, after removing what a dead lab left on it."""
        if self.network.owner() != self.layout.base:
            self._group.kill()
            self.network.remove()
            self.network.create(self.layout.base)
        limits.raise_inotify(self.layout.state)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock of this lab, so that one command at a time changes it."""
        self.layout.prepare()
        with (self.layout.base / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def in_parallel(action: Callable[[Host], None], hosts: Sequence[Host]) -> None:
    """Run an action on all hosts in parallel. Raise the first failure after all have finished."""
    with ThreadPoolExecutor(max_workers=max(1, len(hosts))) as pool:
        for result in [pool.submit(action, host) for host in hosts]:
            result.result()
