"""Reproducible archives: their bytes depend on the content alone."""

import gzip
import hashlib
import tarfile
from pathlib import Path


def pack(folder: Path, target: Path) -> None:
    """Pack a folder, under its own name, as a .tar.gz. The file appears once it is complete."""
    unfinished = target.with_name(f".{target.name}.unfinished")
    with (
        unfinished.open("wb") as file,
        # Level 1: these are unpacked again on the same machine within seconds.
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=file, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for path in [folder, *sorted(folder.rglob("*"))]:
            archive.add(path, path.relative_to(folder.parent).as_posix(), recursive=False, filter=_anonymous)
    unfinished.rename(target)


def sha256(path: Path) -> str:
    """Return the digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Drop the time, owner and umask of a file."""
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = "root"
    executable = member.isdir() or member.mode & 0o100
    member.mode = 0o755 if executable else 0o644
    return member
