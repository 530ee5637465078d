"""Where an artifact's bytes come from: one order of sources, and nothing without a sha256."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from lgtm.artifacts import built
from lgtm.artifacts.download import Unobtainable, ask, unfinished
from lgtm.artifacts.pins import ARCHES, Pin, Pins
from lgtm.model.artifact import MARK, STANDIN, Resolved
from lgtm.model.errors import Refusal

NO_PIN = "0" * 64  # in the place of a sha256, where somebody only looks
_HERE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
_downloading = threading.Lock()  # hosts are prepared side by side, and each file is fetched once


@dataclass(frozen=True)
class Store:
    """The sources, asked in this order: LGTM_BINARIES, cache, upstream (or its mirror), fallback folder."""

    pins: Pins
    cache: Path  # its files are called by their sha256, verified before they got that name
    binaries: Path | None = None
    fallback: Path | None = None
    offline: bool = False
    mirror: str | None = None
    allow_unlocked: bool = False
    look: bool = False  # nothing is fetched, and nothing refused for want of a pin
    push: bool = True  # the controller downloads; otherwise hosts fetch the URL themselves, but never a zip

    def resolve(self, name: str, version: str, arch: str) -> Resolved:
        """Find an artifact in the first source that has it; Refusal naming what was tried and the remedy."""
        pin, tried = self.pins.pin(name), []
        if arch not in ARCHES:
            raise Refusal(f"{name} {version}: hosts are {' or '.join(ARCHES)}, not {arch}")
        for source in (self._built, self._pinned, self._prepared):
            found = source(pin, version, arch)
            if isinstance(found, Resolved):
                return found
            tried.append(found)
        if self.look:
            return Resolved(name, version, arch, NO_PIN, "no pin", False, pin.layout, None, None)
        raise Refusal(_why(pin, version, arch, "; ".join(filter(None, tried)) or "no source"))

    def local_file(self, resolved: Resolved) -> tuple[Path, str]:
        """Give the file to push and the sha256 of its bytes; fetches, verifies and repacks it if need be."""
        path = resolved.path
        if path is None:
            try:
                path = self._downloaded(str(resolved), str(resolved.url), resolved.sha256)
            except Unobtainable as error:
                raise Refusal(f"{resolved}: {error}: name a mirror that can be reached") from error
        if resolved.locked and self.pins.pin(resolved.name).layout == "zip":
            packed = self._remembered("zip", [path], lambda: [self._repacked(resolved, path)])[0]
            return self.cache / packed, packed
        if path.parent != self.cache:
            wanted, what = resolved.sha256, f"{resolved}: {resolved.source}"
            self._remembered(f"sum-{wanted}", [path], lambda: [_verified(path, wanted, what)])
        return path, resolved.sha256

    def _built(self, pin: Pin, version: str, arch: str) -> Resolved | str:
        """Take the executables of LGTM_BINARIES, or a whole release in a folder of its name; whatever the version."""
        if self.binaries is None:
            return ""
        what = f"{pin.name} {version} for {arch}: LGTM_BINARIES={self.binaries}"
        if not self.binaries.is_dir():
            raise Refusal(f"{what} is no folder: mend or unset it")
        release = self.binaries / pin.name  # a whole release, for what is more than its executables
        folder = release if release.is_dir() else self.binaries
        files = {member: folder / member for member in pin.members}
        first = files[pin.members[0]]
        if folder == self.binaries and (first.parent != folder or not first.exists()):
            return f"LGTM_BINARIES has no {pin.members[0]}"
        if not self.allow_unlocked:
            raise Refusal(f"{what} is not in artifacts.lock, and allow_unlocked is False: unset it")
        if arch != _HERE:
            return f"LGTM_BINARIES is for this machine, {_HERE}"
        if bad := [each for each in files if not (files[each].is_file() and os.access(files[each], os.X_OK))]:
            raise Refusal(f"{what} has no executable {bad[0]}, which {pin.name} needs: add it, chmod +x")
        if folder == release:
            files = {path.relative_to(release).as_posix(): path for path in release.rglob("*") if path.is_file()}
        digest, has = self._remembered("built", files.values(), lambda: [self._packed(files), built.version(first)])
        where = self.cache / digest
        return Resolved(pin.name, has, arch, digest, "LGTM_BINARIES", False, "flat", where, None)

    def _pinned(self, pin: Pin, version: str, arch: str) -> Resolved | str:
        """Take the locked bytes from the cache, or from upstream (or its mirror)."""
        if (digest := pin.sha256(version, arch)) is None:
            return "without a pinned sha256 neither cache nor upstream can be used"
        layout, path = "flat" if pin.layout == "zip" else pin.layout, self.cache / digest
        held = Resolved(pin.name, version, arch, digest, "cache", True, layout, path, None)
        if path.is_file():
            return held
        if self.offline:
            return "not in the cache; upstream is not asked when offline"
        source, url = "upstream", pin.download(version, arch)
        if self.mirror:
            source, url = "mirror", f"{self.mirror.rstrip('/')}/{url.rpartition('/')[2]}"
        if self.look or (not self.push and pin.layout != "zip"):
            return replace(held, source=source, path=None, url=url)
        try:
            return replace(held, source=source, path=self._downloaded(str(held), url, digest))
        except Unobtainable as error:
            return f"not in the cache; {source}: {error}"

    def _prepared(self, pin: Pin, version: str, arch: str) -> Resolved | str:
        """Take what the fallback folder's index names; its archives have one top directory."""
        if self.fallback is None:
            return ""
        index = self.fallback / "index.json"
        try:
            entry = json.loads(index.read_text()).get(pin.name, {})
            if entry.get("arch") != arch:
                return f"{index} has no {pin.name} for {arch}"
            has, source, path = entry["version"], entry["source"], self.fallback / entry["file"]
            digest = str(entry["sha256"])
        except (OSError, ValueError, KeyError, AttributeError) as error:
            return f"{index} is missing or broken ({error!r})"
        if not self.allow_unlocked:
            return f"{source} has {has}, which is not in artifacts.lock, and allow_unlocked is False"
        if version not in (has, *pin.versions):
            return f"{source} has {has}, not {version}"
        if not path.is_file():
            return f"{path} is missing"
        has += MARK if source == STANDIN and MARK not in has else ""
        return Resolved(pin.name, has, arch, digest, source, False, "tar", path, None)

    def _downloaded(self, what: str, url: str, digest: str) -> Path:
        target = self.cache / digest
        with _downloading, unfinished(self.cache, digest) as part:
            if target.is_file():
                return target
            with ask(url) as response, part.open("wb") as file:
                shutil.copyfileobj(response, file)
                if response.length:
                    raise Unobtainable(f"{url} broke off {response.length} bytes before its end")
            _verified(part, digest, f"{what}: {url}")
            return part.replace(target)

    def _repacked(self, resolved: Resolved, path: Path) -> str:
        """Turn a zip into a flat tar whose members can be executed."""
        _verified(path, resolved.sha256, f"{resolved}: the cache")
        inside = self.pins.pin(resolved.name).inside(resolved.arch)
        try:
            with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory(dir=self.cache) as scratch:
                members = {inside[name]: Path(archive.extract(name, scratch)) for name in inside}
                for member in members.values():
                    member.chmod(0o755)  # a zip knows no modes
                return self._packed(members)
        except (zipfile.BadZipFile, KeyError) as error:
            raise Refusal(f"{resolved}: no zip of {', '.join(inside)} ({error}): mend `rename`") from error

    def _packed(self, members: dict[str, Path]) -> str:
        """Put a tar into the cache whose bytes depend on the members alone, and give its sha256."""
        with unfinished(self.cache, "packing") as part:
            with tarfile.open(part, "w", format=tarfile.GNU_FORMAT) as archive:
                for name, path in members.items():
                    info = tarfile.TarInfo(name)
                    info.size, info.mode = path.stat().st_size, 0o755 if os.access(path, os.X_OK) else 0o644
                    with path.open("rb") as file:
                        archive.addfile(info, file)
            digest = _digest(part)
            part.replace(self.cache / digest)
            return digest

    def _remembered(self, what: str, files: Collection[Path], make: Callable[[], list[str]]) -> list[str]:
        """Make something of files once, until one has another size or mtime; its first item is a sha256."""
        stamp = [[str(file.absolute()), file.stat().st_size, file.stat().st_mtime_ns] for file in files]
        key = hashlib.sha256("\0".join(str(file.absolute()) for file in files).encode()).hexdigest()[:16]
        memo = self.cache / f"{what}-{key}.json"
        with suppress(OSError, ValueError, KeyError):
            known = json.loads(memo.read_text())
            if known["stamp"] == stamp and (what[:4] == "sum-" or (self.cache / known["made"][0]).is_file()):
                return [str(each) for each in known["made"]]
        made = make()
        with unfinished(self.cache, memo.name) as part:
            part.write_text(json.dumps({"stamp": stamp, "made": made}))
            part.replace(memo)
        return made


def _why(pin: Pin, version: str, arch: str, tried: str) -> str:
    near, new = ", ".join(pin.nearest(version)) or "none", f"python -m lgtm.tools.pins {pin.name} {version}"
    if version not in pin.versions:
        why = f"is not in artifacts.lock (nearest: {near}): set one of those, or run `{new}`"
    elif (digest := pin.sha256(version, arch)) is None:
        why = f"has no sha256 in artifacts.lock for {arch}: run `make pins` where upstream can be reached"
    else:
        why = f"({arch}, {digest}) cannot be had: unset LGTM_OFFLINE, or name a mirror that can be reached"
    return f"{pin.name} {version} {why}. Tried for {arch}: {tried}"


def _verified(path: Path, wanted: str, what: str) -> str:
    """Give a file's sha256 if it is the wanted one; else remove the file: Refusal with both digests."""
    if (got := _digest(path)) != wanted:
        path.unlink()
        raise Refusal(f"{what} gives sha256 {got}, not {wanted}; removed that file: find out who changed it")
    return got


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
