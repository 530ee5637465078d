"""Where the lab keeps its files: below `.lab/` in the repository, but for `.env.lab` beside it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Layout:
    """The lab's files below one directory, by default the repository."""

    def __init__(self, home: Path = ROOT) -> None:
        self.home, self.base = home, home / ".lab"
        self.env_file = home / ".env.lab"  # the secrets that hosts and services share
        self.images = self.base / "image"
        self.artifacts = self.base / "artifacts"
        self.machines = self.base / "machines"  # a directory per host, deleted with it: `upper`, `work`, `root`
        self.identities = self.base / "identities"  # a directory per host, kept by a reset: its sshd key
        self.state = self.base / "state"  # what the lab needs to put this machine back as it was
        self.log = self.base / "log"
        self.mail = self.base / "mail"
        self.tls = self.base / "tls"
        self.client_key = self.base / "id_ed25519"
        self.known_hosts = self.base / "known_hosts"
        self.ssh_config = self.base / "ssh_config"

    def prepare(self) -> None:
        """Create the directories, private: keys and mail are in them."""
        self.base.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.images, self.machines, self.identities, self.state, self.log, self.mail):
            folder.mkdir(exist_ok=True)
