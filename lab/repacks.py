"""Debian's packages of the real programs, repacked in the layout of the upstream releases."""

import hashlib
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import apt
from .errors import LabError

SUITE = "forky"  # the oldest suite with Prometheus 3; its binaries need glibc 2.34, which bookworm has

ALERTMANAGER_WRAPPER = """\
#!/bin/sh
# Debian's Alertmanager reads its default templates from /usr/share at every start, and stops without them. In
# this copy the path leads through /proc/self/fd/9, and here the directory that holds them gets that number.
here=$(dirname "$(readlink -f "$0")")
exec 9<"$here"
exec "$here/alertmanager.debian" "$@"
"""
SHARE = "usr/share/prometheus/alertmanager"


@dataclass(frozen=True)
class Repack:
    """A component's release archive, made of Debian's files."""

    name: str
    debian: tuple[str, ...]  # the packages; the first one's version is the component's
    files: Mapping[str, str]  # path in the archive: path in the packages
    version_prefix: str = ""

    source = f"Debian {SUITE}"

    @property
    def packages(self) -> Mapping[str, tuple[str, ...]]:
        return {SUITE: self.debian}

    def digest(self) -> str:
        """Return a digest of this entry and this module."""
        return hashlib.sha256(repr(self).encode() + Path(__file__).read_bytes()).hexdigest()[:12]

    def version(self, debs: Mapping[str, Path]) -> str:
        """Return the upstream part of the package's version: 3.5.3 of 3.5.3+ds1-6."""
        packaged = apt.field(debs[self.debian[0]], "Version")
        return re.sub(r"^\d+:|[+~-].*$", "", packaged)

    def top(self, version: str, arch: str) -> str:
        """Return the name of the archive's directory as upstream has it; redis_exporter's has a `v`."""
        return f"{self.name}-{self.version_prefix}{version}.linux-{arch}"

    def assemble(self, debs: Mapping[str, Path], scratch: Path, top: Path) -> None:
        """Copy the named files out of the packages."""
        apt.unpack([debs[name] for name in self.debian], scratch / "unpacked")
        for target, origin in self.files.items():
            (top / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(scratch / "unpacked" / origin, top / target)


class AlertmanagerRepack(Repack):
    """Alertmanager, whose Debian build wants files under /usr/share that a bare host does not have."""

    def assemble(self, debs: Mapping[str, Path], scratch: Path, top: Path) -> None:
        """Pack those files with the binary, and patch the path in it."""
        super().assemble(debs, scratch, top)
        wanted = f"/{SHARE}".encode()
        beside = b"/proc/self/fd/9".ljust(len(wanted), b"/")
        binary = (top / "alertmanager.debian").read_bytes()
        if wanted not in binary:
            raise LabError(f"Debian's Alertmanager no longer reads /{SHARE}: see {Path(__file__).name}.")
        (top / "alertmanager.debian").write_bytes(binary.replace(wanted, beside))
        (top / "alertmanager").write_text(ALERTMANAGER_WRAPPER)
        (top / "alertmanager").chmod(0o755)


def exporter(name: str, version_prefix: str = "") -> Repack:
    """Return the recipe of an exporter, whose package holds one binary of the package's name."""
    package = f"prometheus-{name.replace('_', '-')}"
    return Repack(name, (package,), {name: f"usr/bin/{package}"}, version_prefix)


PROGRAMS = ("prometheus", "promtool")
PAGES = ("default.tmpl", "email.tmpl", "no-ui/index.html", "no-ui/favicon.ico")
RECIPES = (
    Repack("prometheus", PROGRAMS, {name: f"usr/bin/{name}" for name in PROGRAMS}),
    AlertmanagerRepack(
        "alertmanager",
        ("prometheus-alertmanager",),
        {"alertmanager.debian": "usr/bin/prometheus-alertmanager", "amtool": "usr/bin/amtool"}
        | {name: f"{SHARE}/{name}" for name in PAGES},
    ),
    exporter("node_exporter"),
    exporter("redis_exporter", version_prefix="v"),
    exporter("blackbox_exporter"),
)
