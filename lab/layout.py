"""Where the lab keeps its things: everything under `.lab/`, but for `.env.lab` beside it.

They lie in the repository; of an installed package, in the directory where it is run.
"""

from dataclasses import dataclass
from pathlib import Path

_ABOVE = Path(__file__).resolve().parent.parent
ROOT = _ABOVE if (_ABOVE / "pyproject.toml").exists() else Path.cwd()


@dataclass(frozen=True)
class Layout:
    """The lab's files below one directory, by default in the repository's root."""

    home: Path = ROOT

    @property
    def base(self) -> Path:
        return self.home / ".lab"

    @property
    def env_file(self) -> Path:
        """The secrets that the hosts and what they talk to share."""
        return self.home / ".env.lab"

    @property
    def images(self) -> Path:
        return self.base / "image"

    @property
    def machines(self) -> Path:
        """One directory per host, thrown away with it: `upper`, `work` and the mount point `root`."""
        return self.base / "machines"

    @property
    def identities(self) -> Path:
        """One directory per host, kept when it is reset: its sshd key and machine id."""
        return self.base / "identities"

    @property
    def state(self) -> Path:
        """What the lab must remember to put the machine back as it was."""
        return self.base / "state"

    @property
    def log(self) -> Path:
        return self.base / "log"

    @property
    def mail(self) -> Path:
        return self.base / "mail"

    @property
    def artifacts(self) -> Path:
        return self.base / "artifacts"

    @property
    def tls(self) -> Path:
        return self.base / "tls"

    @property
    def client_key(self) -> Path:
        return self.base / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.base / "known_hosts"

    @property
    def ssh_config(self) -> Path:
        return self.base / "ssh_config"

    def prepare(self) -> None:
        """Create the directories, private: keys and mail lie in them."""
        self.base.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.images, self.machines, self.identities, self.state, self.log, self.mail):
            folder.mkdir(exist_ok=True)
