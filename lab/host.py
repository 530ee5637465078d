"""One lab host: a machine with its own systemd, network and disk, reached over ssh like any other."""

import os
import shlex
import signal
import socket
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path

from .certificate import Certificate
from .cgroup import Group
from .errors import LabError
from .identity import USER, Identity
from .layout import Layout
from .network import Network
from .overlay import Overlay
from .personality import personalise
from .shell import PATH, attempt, run
from .waiting import until

BOOT_SECONDS = 60
POWER_OFF = signal.SIGRTMIN + 4  # How systemd as PID 1 is asked for an orderly power-off.

SYMPTOMS = "systemctl is-system-running; systemctl list-jobs --no-legend; systemctl --failed --plain --no-legend; \
ip -brief address show host0; ss -Hltn; ls -l /run/sshd.pid"

COUNT_SESSIONS = """
journalctl --sync
journalctl --quiet --boot --output=cat --identifier=sshd --identifier=sshd-session \\
    --grep="^Starting session: $1" | wc -l
"""


@dataclass(frozen=True)
class Host:
    """Host `number` of a lab. It keeps its name, address and keys; a reset deletes its disk."""

    number: int
    layout: Layout
    network: Network
    image: Path

    @property
    def name(self) -> str:
        return f"lab{self.number}"

    @property
    def address(self) -> str:
        return str(self.identity.interface.ip)

    @property
    def identity(self) -> Identity:
        return Identity(self.name, self.network.address(self.number), self.layout.identities / self.name)

    @property
    def is_running(self) -> bool:
        """Return whether the machine is switched on, booted or not."""
        return bool(self._group.pids())

    @property
    def is_ready(self) -> bool:
        """Return whether its sshd answers."""
        pid = self._group.init()
        # An attempt before sshd is up would make the kernel remember that the address is unreachable.
        if pid is None or not Path(f"/proc/{pid}/root/run/sshd.pid").exists():
            return False
        try:
            with socket.create_connection((self.address, 22), timeout=1) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def run(self, *command: str, user: str = USER, stdin: str | None = None, check: bool = True) -> str:
        """Run a command over ssh and return its output. LabError with standard error if it fails."""
        done = self.ssh(*command, user=user, stdin=stdin)
        if check and done.returncode != 0:
            raise LabError(f"{self.name}: `{shlex.join(command)}` exited {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def ssh(self, *command: str, user: str = USER, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command over ssh, each word quoted, and return the finished process."""
        return attempt("ssh", *self.ssh_options(user), self.name, shlex.join(command), stdin=stdin)

    def ssh_options(self, user: str = USER) -> tuple[str, ...]:
        """Return the options with which ssh reaches this host as a user."""
        return ("-F", str(self.layout.ssh_config), "-l", user)

    def inside(self, *command: str) -> str:
        """Run a command as root in the machine without ssh, for observers: no session, no log line."""
        pid = self._group.init()
        if pid is None:
            raise LabError(f"{self.name} is switched off.")
        namespaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--root")
        return run("nsenter", f"--target={pid}", *namespaces, *command)

    def sessions(self, kind: str = "") -> int:
        """Count the ssh sessions since boot, all or of a kind: `command`, `shell`, `subsystem 'sftp'`."""
        return int(self.inside("sh", "-c", COUNT_SESSIONS, "count", kind))

    def boot_id(self) -> str:
        """Return the id of the current boot."""
        return self.inside("cat", "/proc/sys/kernel/random/boot_id").strip()

    def reset(self) -> None:
        """Boot the machine from a bare disk. The old disk is deleted."""
        self.discard()
        self._overlay.mount(self.image)
        trusted = Certificate(self.layout.tls, self.network)
        personalise(self._overlay.root, self.identity, self.layout.client_key, trusted)
        self.power_on()

    def power_on(self) -> None:
        """Boot the machine from its disk. Return once its sshd answers.

        Sometimes a booted machine does not answer, for a reason not yet known. Then a warning shows the symptoms, and
        the machine is switched off and on again, once.
        """
        self.start()
        try:
            self.wait_until_ready()
        except LabError as error:
            warnings.warn(f"Switched off and on again: {error}", stacklevel=2)
            self.power_cut()
            self.start()
            self.wait_until_ready()

    def start(self) -> None:
        """Start the machine."""
        who = (f"--machine={self._machine}", f"--hostname={self.name}")
        where = (f"--directory={self._overlay.root}", f"--network-bridge={self.network.bridge}")
        # Nothing shared with this machine: not systemd's register, journal, resolver or time zone.
        apart = ("--register=no", "--keep-unit", "--link-journal=no", "--resolv-conf=off", "--timezone=off")
        command = ("systemd-nspawn", "--quiet", "--boot", *who, *where, *apart)
        self._group.start(*command, log=self._console, env={"PATH": PATH})

    def wait_until_ready(self) -> None:
        """Wait until sshd answers. LabError with the end of the console if the machine stops or takes too long."""
        until(lambda: self.is_ready or not self.is_running, BOOT_SECONDS)
        if not self.is_ready:
            last = " | ".join(self._console.read_text(errors="replace").splitlines()[-3:])
            state = f"does not answer ({self._symptoms()})" if self.is_running else "stopped"
            raise LabError(f"{self.name} {state} while booting; the end of {self._console}: {last}")

    def _symptoms(self) -> str:
        """Return in one line how far the boot got, seen from the machine and from here."""
        try:
            inside = self.inside("sh", "-c", f"({SYMPTOMS}) 2>&1; true")
        except LabError as error:
            inside = str(error)
        seen = attempt("ip", "neighbour", "show", self.address).stdout
        return " | ".join(f"process 1: {self._group.init()}\n{inside}{seen}".splitlines())

    def power_off(self) -> None:
        """Shut the machine down, by force after 30 seconds. The disk is kept."""
        if pid := self._group.init():
            os.kill(pid, POWER_OFF)
            until(lambda: not self.is_running, 30)
        self.power_cut()

    def power_cut(self) -> None:
        """Stop the machine as a power cut does: no process can react. The disk is kept."""
        # The guest's first process takes the others with it, and then nspawn tidies up.
        if pid := self._group.init():
            os.kill(pid, signal.SIGKILL)
            until(lambda: not self.is_running, 5)
        self._group.kill()
        self.network.unplug(self._machine)
        leftover = Path("/run/systemd/nspawn/propagate", self._machine)
        if leftover.is_dir():
            leftover.rmdir()

    def reboot(self) -> None:
        """Reboot. Return once sshd answers again."""
        before = self._group.init()
        self.inside("systemctl", "--no-block", "reboot")
        if not until(lambda: self._group.init() not in (before, None), BOOT_SECONDS):
            raise LabError(f"{self.name} did not reboot within {BOOT_SECONDS} s.")
        self.wait_until_ready()

    def discard(self) -> None:
        """Stop the machine and delete its disk."""
        self.power_cut()
        self._overlay.discard()

    @property
    def _machine(self) -> str:
        """The name for systemd-nspawn, unique on this machine even with several labs."""
        return f"{self.network.bridge}-{self.number}"

    @property
    def _group(self) -> Group:
        return Group(f"{self.network.bridge}/{self.name}")

    @property
    def _console(self) -> Path:
        return self.layout.log / f"{self.name}.console"

    @property
    def _overlay(self) -> Overlay:
        return Overlay(self.layout.machines / self.name)
