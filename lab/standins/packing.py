"""Packs the Mimir stand-in with all it needs to run on a bare host, which has no Python."""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from lab import apt
from lab.repacks import SUITE as PROMETHEUS_SUITE
from lab.shell import run
from lab.standins.mimir import VERSION

PROGRAM = Path(__file__).resolve().parent / "mimir"
# The oldest suite that hosts boot from: what is built for it runs on later ones too.
PYTHON_SUITE = "bookworm"
PYTHON = "python3.11"
PYTHON_PACKAGES = (f"{PYTHON}-minimal", f"lib{PYTHON}-minimal", f"lib{PYTHON}-stdlib", "python3-yaml")
LIBRARY_PACKAGES = ("libexpat1", "zlib1g")
UNUSED = (
    "distutils",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "test",
    "tkinter",
    "turtledemo",
    "unittest",
)

WRAPPER = f"""\
#!/bin/sh
# A STAND-IN for Grafana Mimir, for the lab only: see standin/mimir/__init__.py.
# It runs on a Python of its own, reads nothing of the host's and writes nothing beside itself.
here=$(dirname "$(readlink -f "$0")")/standin
export PYTHONHOME="$here" PYTHONPATH="$here:$here/packages" LD_LIBRARY_PATH="$here/libraries"
exec "$here/bin/{PYTHON}" -B -s -u -m mimir "$@"
"""
# Compiled ahead, since the program starts with every validation and may write no cache.
COMPILE = ("-B", "-s", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash")


class MimirStandIn:
    """The stand-in's archive: a wrapper called `mimir`, and everything else under `standin/`."""

    name = "mimir"
    source = "stand-in"
    stand_in = True
    packages: Mapping[str, tuple[str, ...]] = {
        PYTHON_SUITE: (*PYTHON_PACKAGES, *LIBRARY_PACKAGES),
        PROMETHEUS_SUITE: ("prometheus",),
    }

    def digest(self) -> str:
        """Digest the program and this module."""
        digest = hashlib.sha256()
        for path in [Path(__file__), *sorted(PROGRAM.glob("*.py"))]:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()[:12]

    def version(self, _: Mapping[str, Path]) -> str:
        """Give the version that it says it stands in for."""
        return VERSION

    def top(self, version: str, arch: str) -> str:
        """Name the directory, stand-in included."""
        return f"mimir-{version}.linux-{arch}"

    def assemble(self, debs: Mapping[str, Path], scratch: Path, top: Path) -> None:
        """Put wrapper, program, Python and the store together."""
        unpacked, inside = scratch / "unpacked", top / "standin"
        apt.unpack(list(debs.values()), unpacked)
        _copy(unpacked / "usr/bin" / PYTHON, inside / "bin" / PYTHON)
        _copy(unpacked / "usr/bin/prometheus", inside / "prometheus")
        shutil.copytree(unpacked / "usr/lib" / PYTHON, inside / "lib" / PYTHON, ignore=_unused)
        shutil.copytree(unpacked / "usr/lib/python3/dist-packages/yaml", inside / "packages/yaml", ignore=_unused)
        shutil.copytree(PROGRAM, inside / "mimir", ignore=_unused)
        for library in _libraries(unpacked):
            _copy(library, inside / "libraries" / library.name)
        (top / "mimir").write_text(WRAPPER)
        (top / "mimir").chmod(0o755)
        _compile(inside)


def _compile(inside: Path) -> None:
    """Compile all Python code by the very Python that will run it."""
    settings = {"PYTHONHOME": inside, "LD_LIBRARY_PATH": inside / "libraries"}
    environment = [f"{name}={value}" for name, value in settings.items()]
    run("env", "-i", *environment, inside / "bin" / PYTHON, *COMPILE, "-s", inside, "-p", "/", inside)


def _libraries(unpacked: Path) -> list[Path]:
    """Find the shared libraries under the names that programs ask for (libz.so.1)."""
    return sorted(path for path in unpacked.rglob("lib*.so.?") if path.name.startswith(("libexpat.", "libz.")))


def _unused(_: str, names: list[str]) -> set[str]:
    """Leave out what the program does not use: big, or linked with libraries that are not here."""
    return {name for name in names if name in UNUSED or name == "__pycache__" or name.startswith("_yaml")}


def _copy(origin: Path, target: Path) -> None:
    """Copy a file, or what a link points to."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(origin, target)


MIMIR = MimirStandIn()
