"""Packs a stand-in with all it needs to run on a bare host, which has no Python."""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from .. import apt
from ..repacks import SUITE as PROMETHEUS_SUITE
from ..shell import run

HERE = Path(__file__).resolve().parent
# The oldest suite that hosts boot from: what is built for it runs on later ones too.
PYTHON_SUITE = "bookworm"
PYTHON = "python3.11"
PYTHON_PACKAGES = (f"{PYTHON}-minimal", f"lib{PYTHON}-minimal", f"lib{PYTHON}-stdlib", "python3-yaml")
LIBRARY_PACKAGES = ("libexpat1", "zlib1g")
UNUSED = ("ensurepip", "idlelib", "lib2to3", "pydoc_data", "test", "tkinter", "turtledemo", "unittest", "__pycache__")

WRAPPER = """\
#!/bin/sh
# A STAND-IN for {name}, for the lab only: see standin/standins/{name}.py.
# It runs on a Python of its own, reads nothing of the host's and writes nothing beside itself.
here=$(dirname "$(readlink -f "$0")"){up}/standin
export PYTHONHOME="$here" PYTHONPATH="$here:$here/packages" LD_LIBRARY_PATH="$here/libraries"
exec "$here/bin/{python}" -B -s -u -m standins.{name} "$@"
"""
# Compiled ahead, since the program starts with every validation and may write no cache.
COMPILE = ("-B", "-s", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash")


@dataclass(frozen=True)
class StandIn:
    """A stand-in's archive: a wrapper named like the real executable, and everything else under `standin/`.

    The program is the module `lab/standins/<name>`, whose VERSION is that of the real one. In the archive it is
    `standins.<name>`, with `standins.common`, as here.
    """

    name: str
    executable: str  # path in the archive
    programs: Mapping[str, str] = field(default_factory=dict)  # real ones that it uses: Debian package → executable

    source = "stand-in"

    @property
    def packages(self) -> Mapping[str, tuple[str, ...]]:
        """Return the packages that it is made of, by suite."""
        python = {PYTHON_SUITE: (*PYTHON_PACKAGES, *LIBRARY_PACKAGES)}
        return python | ({PROMETHEUS_SUITE: tuple(self.programs)} if self.programs else {})

    @property
    def sources(self) -> list[Path]:
        return [HERE / f"{name}.py" for name in ("__init__", "common", self.name)]

    def digest(self) -> str:
        """Return a digest of all sources, this entry and this module."""
        content = b"\0".join(path.read_bytes() for path in (Path(__file__), *self.sources))
        return hashlib.sha256(repr(self).encode() + content).hexdigest()[:12]

    def version(self, _: Mapping[str, Path]) -> str:
        """Return the version of the real program, marked."""
        return str(import_module(f".{self.name}", __package__).VERSION)

    def top(self, version: str, arch: str) -> str:
        """Return the name of the archive's directory."""
        return f"{self.name}-{version}.linux-{arch}"

    def assemble(self, debs: Mapping[str, Path], scratch: Path, top: Path) -> None:
        """Put wrapper, program, Python and the real programs together."""
        unpacked, inside = scratch / "unpacked", top / "standin"
        apt.unpack(list(debs.values()), unpacked)
        _copy(unpacked / "usr/bin" / PYTHON, inside / "bin" / PYTHON)
        for executable in self.programs.values():
            _copy(unpacked / "usr/bin" / executable, inside / executable)
        shutil.copytree(unpacked / "usr/lib" / PYTHON, inside / "lib" / PYTHON, ignore=_unused)
        shutil.copytree(unpacked / "usr/lib/python3/dist-packages/yaml", inside / "packages/yaml", ignore=_unused)
        for source in self.sources:
            _copy(source, inside / "standins" / source.name)
        for library in _libraries(unpacked):
            _copy(library, inside / "libraries" / library.name)
        self._wrap(top / self.executable)
        _compile(inside)

    def _wrap(self, path: Path) -> None:
        up = "/.." * self.executable.count("/")
        path.parent.mkdir(exist_ok=True)
        path.write_text(WRAPPER.format(name=self.name, python=PYTHON, up=up))
        path.chmod(0o755)


def _compile(inside: Path) -> None:
    """Compile all Python code by the very Python that will run it."""
    settings = {"PYTHONHOME": inside, "LD_LIBRARY_PATH": inside / "libraries"}
    environment = [f"{name}={value}" for name, value in settings.items()]
    run("env", "-i", *environment, inside / "bin" / PYTHON, *COMPILE, "-s", inside, "-p", "/", inside)


def _libraries(unpacked: Path) -> list[Path]:
    """Return the shared libraries under the names that programs load (libz.so.1)."""
    return sorted(path for path in unpacked.rglob("lib*.so.?") if path.name.startswith(("libexpat.", "libz.")))


def _unused(_: str, names: list[str]) -> set[str]:
    """Leave out what the program does not use: big, or linked with libraries that are not here."""
    return {name for name in names if name in UNUSED or name.startswith("_yaml")}


def _copy(origin: Path, target: Path) -> None:
    """Copy a file, or what a link points to."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(origin, target)


RECIPES = (
    StandIn("mimir", "mimir", {"prometheus": "prometheus"}),
    StandIn("loki", "loki"),
    StandIn("tempo", "tempo"),
    StandIn("grafana", "bin/grafana"),
    StandIn("alloy", "alloy"),
)
