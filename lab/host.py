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
    """Host `number` of a lab. It keeps its name, address and keys for ever, its disk until it is reset."""

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
        """Tell whether the machine is switched on, booted or not."""
        return bool(self._group.pids())

    @property
    def is_ready(self) -> bool:
        """Tell whether its sshd answers."""
        pid = self._group.init()
        # Knocking before sshd is there would only teach this machine that the address is unreachable.
        if pid is None or not Path(f"/proc/{pid}/root/run/sshd.pid").exists():
            return False
        try:
            with socket.create_connection((self.address, 22), timeout=1) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def run(self, *command: str, user: str = USER, stdin: str | None = None, check: bool = True) -> str:
        """Run a command over ssh and return its output; LabError with its complaint if it fails."""
        done = self.ssh(*command, user=user, stdin=stdin)
        if check and done.returncode != 0:
            raise LabError(f"{self.name}: `{shlex.join(command)}` exited {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def ssh(self, *command: str, user: str = USER, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command over ssh, every word quoted, and return how it went."""
        return attempt("ssh", *self.ssh_options(user), self.name, shlex.join(command), stdin=stdin)

    def ssh_options(self, user: str = USER) -> tuple[str, ...]:
        """Give ssh's options for reaching this host as a user."""
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
        """Give the identity of the current boot."""
        return self.inside("cat", "/proc/sys/kernel/random/boot_id").strip()

    def reset(self) -> None:
        """Give the machine a bare disk and boot it: what was on it is gone within seconds."""
        self.discard()
        self._overlay.mount(self.image)
        trusted = Certificate(self.layout.tls, self.network)
        personalise(self._overlay.root, self.identity, self.layout.client_key, trusted)
        self.power_on()

    def power_on(self) -> None:
        """Boot the machine from the disk it has; return when its sshd answers.

        Now and then a boot ends without a machine that answers, for a reason not yet known: it is told, as a
        warning with the machine's symptoms, and the machine is switched off and on again, once.
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
        """Begin to boot."""
        who = (f"--machine={self._machine}", f"--hostname={self.name}")
        where = (f"--directory={self._overlay.root}", f"--network-bridge={self.network.bridge}")
        # Nothing of this machine's own: neither its systemd's books nor its journal, resolver or time zone.
        apart = ("--register=no", "--keep-unit", "--link-journal=no", "--resolv-conf=off", "--timezone=off")
        command = ("systemd-nspawn", "--quiet", "--boot", *who, *where, *apart)
        self._group.start(*command, log=self._console, env={"PATH": PATH})

    def wait_until_ready(self) -> None:
        """Wait until sshd answers; LabError with the end of the console if the machine dies or dawdles."""
        until(lambda: self.is_ready or not self.is_running, BOOT_SECONDS)
        if not self.is_ready:
            last = " | ".join(self._console.read_text(errors="replace").splitlines()[-3:])
            state = f"does not answer ({self._symptoms()})" if self.is_running else "stopped"
            raise LabError(f"{self.name} {state} while booting; the end of {self._console}: {last}")

    def _symptoms(self) -> str:
        """Say in a line what the machine itself thinks of its boot, and what this one sees of it."""
        try:
            inside = self.inside("sh", "-c", f"({SYMPTOMS}) 2>&1; true")
        except LabError as error:
            inside = str(error)
        seen = attempt("ip", "neighbour", "show", self.address).stdout
        return " | ".join(f"process 1: {self._group.init()}\n{inside}{seen}".splitlines())

    def power_off(self) -> None:
        """Shut the machine down in order, its disk kept; by force if it takes longer than 30 seconds."""
        if pid := self._group.init():
            os.kill(pid, POWER_OFF)
            until(lambda: not self.is_running, 30)
        self.power_cut()

    def power_cut(self) -> None:
        """Stop the machine as a power cut would: nothing in it gets to say a last word. Its disk is kept."""
        # The guest's first process takes the others with it, and nspawn, left alone, tidies up after itself.
        if pid := self._group.init():
            os.kill(pid, signal.SIGKILL)
            until(lambda: not self.is_running, 5)
        self._group.kill()
        self.network.unplug(self._machine)
        leftover = Path("/run/systemd/nspawn/propagate", self._machine)
        if leftover.is_dir():
            leftover.rmdir()

    def reboot(self) -> None:
        """Reboot in order; return when sshd answers again."""
        before = self._group.init()
        self.inside("systemctl", "--no-block", "reboot")
        if not until(lambda: self._group.init() not in (before, None), BOOT_SECONDS):
            raise LabError(f"{self.name} did not reboot within {BOOT_SECONDS} s.")
        self.wait_until_ready()

    def discard(self) -> None:
        """Stop the machine and throw its disk away."""
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
