"""Debian's archive, reached with the settings of this machine's apt. The machine's own packages stay as they are."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError
from .shell import run

# Holds the keys of the stable releases, which also sign testing (forky).
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR_VARIABLE = "LAB_DEBIAN_MIRROR"


def machine_mirror() -> str:
    """Return the Debian archive that apt on this machine uses. LabError if there is none."""
    if chosen := os.environ.get(MIRROR_VARIABLE):
        return chosen
    fields = ("$(REPO_URI)", "$(ORIGIN)", "$(LABEL)")
    listing = run("apt-get", "indextargets", "--format", "\t".join(fields), "Created-By: Packages")
    known = [line.split("\t") for line in listing.splitlines()]
    for uri, origin, label in known:
        if origin == label == "Debian":
            return uri
    raise LabError(f"apt on this machine knows no Debian archive: run apt-get update, or set {MIRROR_VARIABLE}.")


def machine_options() -> list[str]:
    """Return apt's settings on this machine for reaching an archive: proxies, certificates, dates."""
    dump = run("apt-config", "dump", "--no-empty", "--format", '%F "%v";%n', "Acquire")
    return [line for line in dump.splitlines() if not line.startswith("Acquire::IndexTargets")]


def architecture() -> str:
    """Return this machine's architecture as Debian and the upstream releases write it: amd64, arm64."""
    return run("dpkg", "--print-architecture").strip()


@dataclass(frozen=True)
class Archive:
    """One suite of the archive, with an apt state of its own. Downloads are kept."""

    suite: str
    folder: Path

    def fetch(self, packages: Sequence[str]) -> dict[str, Path]:
        """Return the .deb file of each package, after downloading the missing ones."""
        files = {name: self.folder / "packages" / f"{name}.deb" for name in packages}
        if absent := [name for name, file in files.items() if not file.exists()]:
            print(f"downloading {', '.join(absent)} from Debian {self.suite}", flush=True)
            self._download(absent)
        return files

    def _download(self, packages: Sequence[str]) -> None:
        """Download packages, verified against the lists that the archive's keys sign."""
        if not KEYRING.exists():
            raise LabError(f"{KEYRING} is missing: install debian-archive-keyring.")
        incoming = self.folder / "incoming"
        shutil.rmtree(incoming, ignore_errors=True)
        for folder in ("state/lists/partial", "cache/archives/partial", "incoming", "packages"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        self._sources.write_text(f"deb [signed-by={KEYRING}] {machine_mirror()} {self.suite} main\n")
        self._apt("update", "-o", "APT::Update::Error-Mode=any")
        self._apt("download", *packages)
        for file in incoming.glob("*.deb"):
            file.rename(self.folder / "packages" / f"{field(file, 'Package')}.deb")

    @property
    def _sources(self) -> Path:
        return self.folder / "sources.list"

    def _apt(self, *command: str) -> None:
        settings = {
            "Dir::Etc::SourceList": self._sources,
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State": self.folder / "state",
            "Dir::Cache": self.folder / "cache",
            # apt's own user cannot look into the lab's private directory.
            "APT::Sandbox::User": "root",
        }
        options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        run("apt-get", "--quiet", *options, *command, cwd=self.folder / "incoming")


def field(package: Path, name: str) -> str:
    """Read a field of a .deb file's control data."""
    return run("dpkg-deb", "--field", package, name).strip()


def unpack(packages: Sequence[Path], folder: Path) -> None:
    """Unpack .deb files over each other into a folder."""
    for package in packages:
        run("dpkg-deb", "--extract", package, folder)
