"""The state of a host, which one remote command reads."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lgtm.model.errors import LgtmError
from lgtm.model.secrets import Secret

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Process:
    """A service's main process: the unit's state in systemd, and the file that the process executes."""

    state: str
    exe: str

    @property
    def active(self) -> bool:
        return self.state == "active"


@dataclass(frozen=True)
class SecretState:
    """A secret file: mode and owner (`600:root`), keyed digest; `fresh`: the running process has the same content."""

    mode: str
    digest: str
    fresh: bool


@dataclass(frozen=True)
class Misowned:
    """Files below a volume with a wrong owner or mode: how many, and the first of them."""

    many: int
    owner: str  # uid:gid
    mode: str
    path: str


@dataclass(frozen=True)
class Filesystem:
    """The file system of a volume, or of its nearest existing parent: mount point, and what is free on it."""

    target: str
    free: int  # bytes
    read_only: bool
    inodes: int | None  # that are free; None where the file system does not count them


@dataclass(frozen=True)
class Usage:
    """What a service uses. Memory in bytes (None: not known, not limited), times in seconds."""

    restarts: int  # by systemd, since its last manual start
    memory: int | None
    memory_max: int | None
    active_since: float  # by the clock of `uptime`


@dataclass(frozen=True)
class HostState:
    """One host as it was read. Sums are sha256; volumes are path → (owner:group, mode, type)."""

    arch: str = "amd64"
    os: str = ""
    now: int = 0  # seconds since the epoch, by the host's own clock
    missing_tools: frozenset[str] = frozenset()  # of the tools that every host needs
    current: str | None = None  # generation
    blocked_links: Mapping[str, str] = field(default_factory=dict)  # path of a link → type of what is there instead
    pending: str = ""  # a switch under way
    sums: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # generation → path → sha256
    irregular: Mapping[str, frozenset[str]] = field(default_factory=dict)  # generation → paths of wrong type or mode
    support: Mapping[str, str] = field(default_factory=dict)  # path → sha256
    links: Mapping[str, str] = field(default_factory=dict)  # path → target
    artifacts: frozenset[str] = frozenset()  # intact ones, by directory
    users: frozenset[str] = frozenset()
    volumes: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    misowned: Mapping[str, Misowned] = field(default_factory=dict)  # volume → files below it
    impassable: Mapping[str, str] = field(default_factory=dict)  # directory above volumes or artifacts → its mode
    filesystems: Mapping[str, Filesystem] = field(default_factory=dict)  # volume → its file system
    used: Mapping[str, int] = field(default_factory=dict)  # volume → bytes
    memory: tuple[int, int] | None = None  # bytes in all, and available
    uptime: float = 0  # seconds
    usage: Mapping[str, Usage] = field(default_factory=dict)  # by service
    unmounted: frozenset[str] = frozenset()  # declared mount points where nothing is mounted
    secrets: Mapping[str, SecretState] = field(default_factory=dict)  # service/name → state
    referenced_secrets: frozenset[str] = (
        frozenset()
    )  # service/name of every secret that some generation of the host names
    versions: Mapping[str, str] = field(default_factory=dict)  # service → version, of the generation in force
    processes: Mapping[str, Process] = field(default_factory=dict)  # service → process
    started: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # service → path → sha256
    loaded: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    listeners: tuple[tuple[str, str], ...] = ()  # (address:port, process) of every TCP listener
    pids: Mapping[str, int] = field(default_factory=dict)
    fingerprint: str = ""  # digest of all lines that do not change by themselves


def digest(nonce: str, secret: Secret) -> str:
    """Give the digest that `read.sh` prints for a secret file with this value: sha256 of nonce and value."""
    return hashlib.sha256((nonce + secret.reveal()).encode()).hexdigest()


def parse(text: str) -> HostState:
    r"""Parse the output of `read.sh`: lines of a name and its values, tab-separated: `user\tlgtm-loki`.

    Lines that start with `~` change by themselves, and are no part of the fingerprint. Raises LgtmError when the
    output is not that of `read.sh`.
    """
    rows: dict[str, list[list[str]]] = {}
    for row in (line.split("\t") for line in text.splitlines()):
        rows.setdefault(row[0].lstrip("~"), []).append(row[1:])
    if "current" not in rows:
        raise LgtmError(f"the host's state could not be read; the output was: {text[:300]!r}")
    distribution, release, machine = rows["os"][0]
    current = rows["current"][0][0]
    filesystems = {path: _filesystem(*rest) for path, *rest in rows.get("room", [])}
    access = {path: mode for path, mode in rows.get("access", [])}
    units, executes = rows.get("unit", []), {folder: exe for folder, exe in rows.get("executes", [])}
    return HostState(
        arch=ARCHITECTURES.get(machine, machine),
        os=f"{distribution} {release}",
        now=int(rows["now"][0][0]),
        missing_tools=frozenset(row[0] for row in rows.get("lacks", [])),
        current=None if current == "-" else current,
        blocked_links={path: kind for path, kind in rows.get("planted", [])},
        pending=rows.get("pending", [[""]])[0][0],
        sums=_nested(rows.get("sum", []), value=1),
        irregular=_irregular(rows),
        support={
            path: sha if access.get(path) in ("644:root", "755:root") else access.get(path, "gone")
            for path, sha in rows.get("support", [])
        },
        links={path: target for path, target in rows.get("link", [])},
        artifacts=frozenset(row[0] for row in rows.get("artifact", [])),
        users=frozenset(row[0] for row in rows.get("user", [])),
        volumes={path: (owner, mode, kind) for path, owner, mode, kind in rows.get("volume", [])},
        misowned={
            volume: Misowned(int(many), owner, mode, "\t".join(path))
            for volume, owner, mode, *path, many in rows.get("wrong", [])
        },
        impassable={path: mode for path, mode in rows.get("closed", [])},
        filesystems={volume: filesystems[path] for volume, path in rows.get("lies", []) if path in filesystems},
        used={volume: int(many) for volume, many in rows.get("used", [])},
        memory=_memory(rows),
        uptime=float(rows["memory"][0][2]) if "memory" in rows else 0,
        usage={service: _usage(*rest) for service, *rest in rows.get("use", [])},
        unmounted=frozenset(row[0] for row in rows.get("unmounted", [])),
        secrets={row[0]: SecretState(row[1], row[2], row[3] == "fresh") for row in rows.get("secret", [])},
        referenced_secrets=frozenset(row[0] for row in rows.get("named", [])),
        versions={service: version for service, version in rows.get("runs", [])},
        processes={service: Process(state, executes.get(f"/proc/{pid}", "")) for service, state, pid in units},
        started=_nested(rows.get("started", []), value=1),
        loaded=_nested(rows.get("loaded", []), value=1),
        listeners=tuple((address, process) for address, process in rows.get("listen", [])),
        pids={service: int(pid) for service, _, pid in units},
        fingerprint=fingerprint(text),
    )


def fingerprint(text: str) -> str:
    """Give the sha256 of all lines that do not start with `~`; `lock.sh` compares it on the host."""
    stable = "".join(f"{line}\n" for line in text.splitlines() if not line.startswith("~"))
    return hashlib.sha256(stable.encode()).hexdigest()


def _filesystem(target: str, free: str, mode: str, inodes: str) -> Filesystem:
    return Filesystem(target, int(free), mode == "ro", int(inodes) if inodes.isdigit() else None)


def _memory(rows: Mapping[str, list[list[str]]]) -> tuple[int, int] | None:
    total, available, _ = rows.get("memory", [["", "", ""]])[0]
    return (int(total) * 1024, int(available) * 1024) if total and available else None


def _usage(restarts: str, memory: str, most: str, since: str) -> Usage:
    """systemd prints `infinity` or `[not set]` where it has no number."""
    current, limit = (int(text) if text.isdigit() else None for text in (memory, most))
    return Usage(int(restarts or 0), current, limit, int(since or 0) / 1e6)


def _nested(rows: Iterable[list[str]], value: int) -> dict[str, dict[str, str]]:
    """Turn rows of (outer key, value, inner key) into a map of maps."""
    nested: dict[str, dict[str, str]] = {}
    for outer, content, inner in rows:
        nested.setdefault(outer, {})[inner] = content
    return nested


def _irregular(rows: Mapping[str, list[list[str]]]) -> dict[str, frozenset[str]]:
    """Paths of a generation that are not a regular file of root with mode 644, or a directory with mode 755."""
    irregular: dict[str, set[str]] = {}
    for generation, _, _, _, path in rows.get("file", []):
        irregular.setdefault(generation, set()).add(path)
    for generation, mode, owner, path in rows.get("mode", []):
        if (mode, owner) != ("644", "0:0"):
            irregular.setdefault(generation, set()).add(path)
    return {generation: frozenset(paths) for generation, paths in irregular.items()}


def process_name(listener: str) -> str:
    """`users:(("nginx",pid=7,fd=5))` → `nginx (pid 7)`."""
    match = re.search(r'\("([^"]+)",pid=(\d+)', listener)
    return f"{match[1]} (pid {match[2]})" if match else "an unknown process"
