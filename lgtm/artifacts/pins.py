"""The lock file: what to install, from where, with which sha256; as a command, it records missing sums."""

from __future__ import annotations

import difflib
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from lgtm.artifacts.download import Unobtainable, ask, unfinished
from lgtm.model.errors import Exit, LgtmError, Refusal

PATH = Path("artifacts.lock")  # of the repository in which one works
PACKAGED = Path(__file__).parents[1] / "artifacts.lock"  # in a wheel: what holds where that repository has none
ARCHES = ("amd64", "arm64")
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Pin:
    """One artifact of the lock file; `versions` is version → arch → sha256."""

    name: str
    url: str
    sums: str
    layout: str
    members: tuple[str, ...]
    rename: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def sha256(self, version: str, arch: str) -> str | None:
        """Give the pinned digest, or None where there is none."""
        return self.versions.get(version, {}).get(arch)

    def download(self, version: str, arch: str) -> str:
        """Give the URL of the release."""
        return _filled(self.url, version, arch)

    def inside(self, arch: str) -> Mapping[str, str]:
        """Map what the archive (or the bare download) calls each member to what we call it."""
        theirs = {ours: _filled(name, "", arch) for name, ours in self.rename.items()}
        return {theirs.get(member, member): member for member in self.members}

    def nearest(self, version: str) -> list[str]:
        """Name the three known versions that are nearest to this one."""
        pairs = {known: zip(_numbers(version), _numbers(known), strict=True) for known in self.versions}
        return sorted(pairs, key=lambda known: [abs(a - b) for a, b in pairs[known]])[:3]


@dataclass(frozen=True)
class Pins:
    """The lock file, read and found sound."""

    pins: Mapping[str, Pin]

    @classmethod
    def load(cls, path: Path) -> Pins:
        """Read the lock file; Refusal if it cannot be read or does not make sense."""
        try:
            return cls.parse(in_force(path).read_text(), path.name)
        except OSError as error:
            raise Refusal(f"{path.name} cannot be read ({error.strerror}): restore it from git") from error

    @classmethod
    def parse(cls, text: str, where: str = "artifacts.lock") -> Pins:
        """Read the text of a lock file; Refusal naming the table and the value that is wrong."""
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise Refusal(f"{where} is not TOML ({error}): mend that line") from error
        return cls({name: _pin(name, table, where) for name, table in tables.items()})

    def pin(self, name: str) -> Pin:
        """Give an artifact's pin; Refusal naming the nearest one if there is none."""
        if name not in self.pins:
            near = difflib.get_close_matches(name, self.pins, 1, 0) or ["none"]
            new = "A new artifact needs a table there (docs/task-module.md)"
            raise Refusal(f"artifact {name} is not in artifacts.lock: did you mean {near[0]}? {new}")
        return self.pins[name]


class Contradiction(LgtmError):
    """A published sum is another than the one in the lock file."""


def in_force(path: Path) -> Path:
    """Give the lock file that holds: this one, or the packaged one where there is none."""
    return path if path.exists() or not PACKAGED.exists() else PACKAGED


_SOUND: Mapping[str, Callable[[Any], bool]] = {
    "url": lambda value: isinstance(value, str) and value.startswith(("https://", "http://")),
    "sums": lambda value: isinstance(value, str) and value.startswith(("https://", "http://")),
    "layout": lambda value: value in ("tar", "flat", "zip", "binary"),
    "members": lambda value: isinstance(value, list) and len(value) > 0,
    "rename": lambda value: isinstance(value, dict),
    "versions": lambda it: isinstance(it, dict) and all(isinstance(row, dict) for row in it.values()),
}


def _pin(name: str, table: Any, where: str) -> Pin:
    complete = {"rename": {}, "versions": {}, **table} if isinstance(table, dict) else {}
    wrong = [key for key, sound in _SOUND.items() if not sound(complete.get(key))]
    wrong += complete.keys() - _SOUND.keys()
    if wrong:
        raise Refusal(f"{where}: [{name}] {wrong[0]} = {complete.get(wrong[0])!r} is wrong: mend it")
    for version, row in complete["versions"].items():
        for arch, digest in row.items():
            if arch not in ARCHES or not SHA256.fullmatch(str(digest)):
                raise Refusal(f"{where}: {name} {version}: {arch} = {digest!r} is no sha256: run `make pins`")
    return Pin(**{**complete, "name": name, "members": tuple(complete["members"])})


def _filled(template: str, version: str, arch: str) -> str:
    return template.replace("{version}", version).replace("{arch}", arch)


def _numbers(version: str) -> list[int]:
    return ([int(each) for each in re.findall(r"\d+", version)] + [0] * 4)[:4]


def published(text: str, file: str) -> str | None:
    """Find a file's sha256 in what upstream publishes: a list (`hex  name`) or a digest alone."""
    rows = [line.split() for line in text.lower().splitlines() if line.strip()]
    named = {row[1].lstrip("*").rpartition("/")[2]: row[0] for row in rows if len(row) == 2}
    alone = rows[0][0] if len(rows) == 1 and len(rows[0]) == 1 else ""
    digest = named.get(file.lower(), alone)
    return digest if SHA256.fullmatch(digest) else None


@cache
def _text(url: str) -> str:
    with ask(url) as response:
        return str(response.read().decode(errors="replace"))


def fetched(pin: Pin, version: str) -> tuple[dict[str, str], dict[str, str]]:
    """Ask upstream for one version's sums: those it has (arch → sum), and why it lacks others that we lack too.

    Raises Contradiction when it publishes another sum than the one we have.
    """
    found, missing = {}, {}
    for arch in ARCHES:
        url, file = _filled(pin.sums, version, arch), pin.download(version, arch).rpartition("/")[2]
        pinned = pin.sha256(version, arch)
        try:
            digest, why = published(_text(url), file), f"{url} has no sha256 of {file}: check the version"
        except Unobtainable as error:
            digest, why = None, str(error)
        if digest and pinned not in (None, digest):
            raise Contradiction(f"{pin.name} {version} {arch}: artifacts.lock says {pinned}, {url} says {digest}")
        if digest:
            found[arch] = digest
        elif not pinned:
            missing[arch] = why
    return found, missing


def used(root: Path) -> set[str]:
    """Tell the architectures of a repository's hosts: that of the settings' default, and any that is written there."""
    files = [path for folder in ("inventories", "group_data") for path in sorted((root / folder).glob("*.py"))]
    lines = [line.partition("#")[0] for path in files for line in path.read_text().splitlines()]
    return {ARCHES[0]} | {arch for arch in ARCHES if any(re.search(f"[\"']{arch}[\"']", line) for line in lines)}


def recorded(text: str, pin: Pin, version: str, sums: Mapping[str, str]) -> str:
    """Write the sums that a row lacks into the text of a lock file, and the row itself if it is new."""
    lines, header = text.splitlines(), f'[{pin.name}.versions."{version}"]'
    if version not in pin.versions:
        ours = re.compile(rf"\[{re.escape(pin.name)}[].]")
        last = max(at for at, line in enumerate(lines) if ours.match(line))
        lines[_end(lines, last) : _end(lines, last)] = ["", header]
    end = _end(lines, lines.index(header))
    lines[end:end] = [f'{a} = "{sums[a]}"' for a in ARCHES if a in sums and not pin.sha256(version, a)]
    return "\n".join(lines) + "\n"


def _end(lines: list[str], header: int) -> int:
    """Find the line after a table's last key; comments and blank lines behind it belong to the next table."""
    end = header + 1
    for at in range(header + 1, len(lines)):
        if lines[at].startswith("["):
            break
        if lines[at].strip() and not lines[at].startswith("#"):
            end = at + 1
    return end


def main(arguments: list[str], path: Path = PATH) -> int:
    """Record what is published of the sums that the lock file lacks; say which, and which it still lacks.

    It fails when hosts here need one of those, or when a published sum is not the one that we have.
    """
    if len(arguments) not in (0, 2):
        print("usage: python -m lgtm.tools.pins [NAME VERSION]", file=sys.stderr)
        return Exit.USAGE
    try:
        return _record(path, *arguments)
    except LgtmError as error:
        print(f"{error}\nnothing was written to {path.name}", file=sys.stderr)
        return Exit.FAILED


def _record(path: Path, *row: str) -> int:
    pins, text, needed = Pins.load(path), in_force(path).read_text(), used(path.parent)
    said, lacking, idle = list[str](), list[str](), list[str]()  # idle: lacking, and no host here needs it
    rows = [(p.name, v) for p in pins.pins.values() for v, sums in p.versions.items() if len(sums) < len(ARCHES)]
    for name, version in [(row[0], row[1])] if row else rows:
        pin = pins.pin(name)
        try:
            sums, missing = fetched(pin, version)
        except Contradiction as error:
            lacking.append(f"{error}; nothing was recorded for it: find out who changed it")
            continue
        if sums:
            text = recorded(text, pin, version, sums)
        said += [f"{name} {version} {arch} {sums[arch]}" for arch in sums if not pin.sha256(version, arch)]
        for arch, why in missing.items():
            (lacking if arch in needed else idle).append(f"{name} {version} {arch}: {why}")
    if said:
        _write(path, text)
    print("\n".join(said) or f"{path.name}: nothing to record{'' if lacking or idle else ', the sums are there'}")
    _still_lacking(path, lacking, idle)
    return Exit.FAILED if lacking else Exit.OK


def _still_lacking(path: Path, lacking: list[str], idle: list[str]) -> None:
    for title, sentences in (("without a sum", lacking), ("without a sum, and no host here needs it", idle)):
        for sentence in sentences:
            print(f"{title}: {sentence}", file=sys.stderr)
    if lacking or idle:
        print(
            f"{path.name} still lacks {len(lacking) + len(idle)}; a deploy refuses only what it needs", file=sys.stderr
        )


def _write(path: Path, text: str) -> None:
    Pins.parse(text, path.name)
    with unfinished(path.parent, f".{path.name}") as part:
        part.write_text(text)
        part.chmod(in_force(path).stat().st_mode)
        part.replace(path)
