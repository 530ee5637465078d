"""The file of pins, `artifacts.lock`: what is installed, from where, with which sha256. The command records pins."""

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

PATH = Path("artifacts.lock")  # of the repository in the working directory
PACKAGED = Path(__file__).parents[1] / "artifacts.lock"  # of a wheel: used when the repository has none
ARCHES = ("amd64", "arm64")
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Pin:
    """One artifact of the file of pins; `versions` is version → arch → sha256."""

    name: str
    url: str
    sums: str
    layout: str
    members: tuple[str, ...]
    rename: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def sha256(self, version: str, arch: str) -> str | None:
        """Give the pinned sha256, or None if there is no pin."""
        return self.versions.get(version, {}).get(arch)

    def download(self, version: str, arch: str) -> str:
        """Give the URL of the release."""
        return _filled(self.url, version, arch)

    def member_names(self, arch: str) -> Mapping[str, str]:
        """Map each member's name in the archive (or of the bare download) to its name on our hosts."""
        upstream = {ours: _filled(name, "", arch) for name, ours in self.rename.items()}
        return {upstream.get(member, member): member for member in self.members}

    def nearest(self, version: str) -> list[str]:
        """Give the three pinned versions that are nearest to this one."""
        pairs = {known: zip(_numbers(version), _numbers(known), strict=True) for known in self.versions}
        return sorted(pairs, key=lambda known: [abs(a - b) for a, b in pairs[known]])[:3]


@dataclass(frozen=True)
class Pins:
    """The file of pins, read and valid."""

    pins: Mapping[str, Pin]

    @classmethod
    def load(cls, path: Path) -> Pins:
        """Read the file of pins. Raises Refusal when it cannot be read or is invalid."""
        try:
            return cls.parse(file_in_use(path).read_text(), path.name)
        except OSError as error:
            raise Refusal(f"{path.name} cannot be read ({error.strerror}): restore it from git") from error

    @classmethod
    def parse(cls, text: str, where: str = "artifacts.lock") -> Pins:
        """Parse the text of a file of pins. Raises Refusal with the table and the value that is invalid.

        Pins.parse(text).pin("loki").sha256("3.6.3", "amd64")
        """
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise Refusal(f"{where} is not TOML ({error}): correct that line") from error
        return cls({name: _pin(name, table, where) for name, table in tables.items()})

    def pin(self, name: str) -> Pin:
        """Give an artifact's pin. Raises Refusal with the nearest name if there is none."""
        if name not in self.pins:
            near = difflib.get_close_matches(name, self.pins, 1, 0) or ["none"]
            new = "A new artifact needs a table there (docs/task-module.md)"
            raise Refusal(f"artifact {name} is not in artifacts.lock: did you mean {near[0]}? {new}")
        return self.pins[name]


class Contradiction(LgtmError):
    """The published sha256 differs from the pinned one."""


def file_in_use(path: Path) -> Path:
    """Give the file of pins in use: this one, or the packaged one if this one does not exist."""
    return path if path.exists() or not PACKAGED.exists() else PACKAGED


_VALID: Mapping[str, Callable[[Any], bool]] = {
    "url": lambda value: isinstance(value, str) and value.startswith(("https://", "http://")),
    "sums": lambda value: isinstance(value, str) and value.startswith(("https://", "http://")),
    "layout": lambda value: value in ("tar", "flat", "zip", "binary"),
    "members": lambda value: isinstance(value, list) and len(value) > 0,
    "rename": lambda value: isinstance(value, dict),
    "versions": lambda it: isinstance(it, dict) and all(isinstance(row, dict) for row in it.values()),
}


def _pin(name: str, table: Any, where: str) -> Pin:
    complete = {"rename": {}, "versions": {}, **table} if isinstance(table, dict) else {}
    wrong = [key for key, sound in _VALID.items() if not sound(complete.get(key))]
    wrong += complete.keys() - _VALID.keys()
    if wrong:
        raise Refusal(f"{where}: [{name}] {wrong[0]} = {complete.get(wrong[0])!r} is invalid: correct it")
    for version, row in complete["versions"].items():
        for arch, digest in row.items():
            if arch not in ARCHES or not SHA256.fullmatch(str(digest)):
                raise Refusal(f"{where}: {name} {version}: {arch} = {digest!r} is no sha256: run `make pins`")
    return Pin(**{**complete, "name": name, "members": tuple(complete["members"])})


def _filled(template: str, version: str, arch: str) -> str:
    return template.replace("{version}", version).replace("{arch}", arch)


def _numbers(version: str) -> list[int]:
    return ([int(each) for each in re.findall(r"\d+", version)] + [0] * 4)[:4]


def find_sum(text: str, file: str) -> str | None:
    """Find a file's sha256 in what upstream publishes: a list of `hex  name`, or one digest alone; None if neither."""
    rows = [line.split() for line in text.lower().splitlines() if line.strip()]
    named = {row[1].lstrip("*").rpartition("/")[2]: row[0] for row in rows if len(row) == 2}
    alone = rows[0][0] if len(rows) == 1 and len(rows[0]) == 1 else ""
    digest = named.get(file.lower(), alone)
    return digest if SHA256.fullmatch(digest) else None


@cache
def _text(url: str) -> str:
    with ask(url) as response:
        return str(response.read().decode(errors="replace"))


def fetch_sums(pin: Pin, version: str) -> tuple[dict[str, str], dict[str, str]]:
    """Ask upstream for one version's sha256: give those it has (arch → sha256), and why others are missing.

    Raises Contradiction when a published sha256 differs from the pinned one.
    """
    found, missing = {}, {}
    for arch in ARCHES:
        url, file = _filled(pin.sums, version, arch), pin.download(version, arch).rpartition("/")[2]
        pinned = pin.sha256(version, arch)
        try:
            digest, why = find_sum(_text(url), file), f"{url} has no sha256 of {file}: check the version"
        except Unobtainable as error:
            digest, why = None, str(error)
        if digest and pinned not in (None, digest):
            raise Contradiction(f"{pin.name} {version} {arch}: artifacts.lock says {pinned}, {url} says {digest}")
        if digest:
            found[arch] = digest
        elif not pinned:
            missing[arch] = why
    return found, missing


def architectures(root: Path) -> set[str]:
    """Give the architectures of a repository's hosts: the default one, and any in its inventories and group data."""
    files = [path for folder in ("inventories", "group_data") for path in sorted((root / folder).glob("*.py"))]
    lines = [line.partition("#")[0] for path in files for line in path.read_text().splitlines()]
    return {ARCHES[0]} | {arch for arch in ARCHES if any(re.search(f"[\"']{arch}[\"']", line) for line in lines)}


def add_sums(text: str, pin: Pin, version: str, sums: Mapping[str, str]) -> str:
    """Add the sums that a row lacks to the text of a file of pins, and the row itself if it is new."""
    lines, header = text.splitlines(), f'[{pin.name}.versions."{version}"]'
    if version not in pin.versions:
        ours = re.compile(rf"\[{re.escape(pin.name)}[].]")
        last = max(at for at, line in enumerate(lines) if ours.match(line))
        lines[_end(lines, last) : _end(lines, last)] = ["", header]
    end = _end(lines, lines.index(header))
    lines[end:end] = [f'{a} = "{sums[a]}"' for a in ARCHES if a in sums and not pin.sha256(version, a)]
    return "\n".join(lines) + "\n"


def _end(lines: list[str], header: int) -> int:
    """Give the line after a table's last key; comments and blank lines behind it belong to the next table."""
    end = header + 1
    for at in range(header + 1, len(lines)):
        if lines[at].startswith("["):
            break
        if lines[at].strip() and not lines[at].startswith("#"):
            end = at + 1
    return end


def main(arguments: list[str], path: Path = PATH) -> int:
    """Record the published sha256 of every pin that is missing; print those, and those still missing.

    Gives exit code 1 when hosts here need one that is missing, or when a published one differs from its pin.
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
    pins, text, needed = Pins.load(path), file_in_use(path).read_text(), architectures(path.parent)
    recorded, lacking, idle = list[str](), list[str](), list[str]()  # idle: lacking, and no host here needs it
    rows = [(p.name, v) for p in pins.pins.values() for v, sums in p.versions.items() if len(sums) < len(ARCHES)]
    for name, version in [(row[0], row[1])] if row else rows:
        pin = pins.pin(name)
        try:
            sums, missing = fetch_sums(pin, version)
        except Contradiction as error:
            lacking.append(f"{error}; nothing was recorded for it: find out who changed it")
            continue
        if sums:
            text = add_sums(text, pin, version, sums)
        recorded += [f"{name} {version} {arch} {sums[arch]}" for arch in sums if not pin.sha256(version, arch)]
        for arch, why in missing.items():
            (lacking if arch in needed else idle).append(f"{name} {version} {arch}: {why}")
    if recorded:
        _write(path, text)
    print("\n".join(recorded) or f"{path.name}: nothing to record{'' if lacking or idle else ': no pin is missing'}")
    _still_lacking(path, lacking, idle)
    return Exit.FAILED if lacking else Exit.OK


def _still_lacking(path: Path, lacking: list[str], idle: list[str]) -> None:
    for title, sentences in (("missing pin", lacking), ("missing pin, which no host here needs", idle)):
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
        part.chmod(file_in_use(path).stat().st_mode)
        part.replace(path)
