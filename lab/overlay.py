"""A host's disk: its changes, in an overlay over the image that all hosts share."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError
from .shell import attempt, run


@dataclass(frozen=True)
class Overlay:
    """An overlay file system in `folder`: `upper` holds the changes, `root` is where it is mounted."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "root"

    def mount(self, image: Path) -> None:
        """Mount a fresh overlay over an image. LabError if the lab's file system does not support one."""
        for part in ("upper", "work", "root"):
            (self.folder / part).mkdir(parents=True)
        # The host's root directory has the mode of `upper`, and this machine's umask may be strict.
        (self.folder / "upper").chmod(0o755)
        # Relative paths, since a comma or colon in an absolute one would need escaping.
        options = f"lowerdir={os.path.relpath(image.resolve(), self.folder)},upperdir=upper,workdir=work"
        done = attempt("mount", "-t", "overlay", "overlay", "-o", options, "root", cwd=self.folder)
        if done.returncode != 0:
            raise LabError(
                f"{self.folder} cannot carry an overlay: {done.stderr.strip()}. "
                "The repository must lie on an ordinary file system such as ext4 or xfs."
            )

    def discard(self) -> None:
        """Unmount and delete the disk."""
        clear(self.folder)


def clear(folder: Path) -> None:
    """Unmount everything in a folder, then delete it."""
    for point in mount_points(folder):
        # Lazily: a shell that stands in there must not keep the lab from going down.
        run("umount", "--lazy", point)
    if folder.exists():
        shutil.rmtree(folder)


def mount_points(folder: Path) -> list[Path]:
    """List what is mounted at or below a folder, innermost first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [Path(_unescaped(line.split()[4])) for line in lines]
    return sorted((point for point in points if point.is_relative_to(folder.resolve())), reverse=True)


def _unescaped(field: str) -> str:
    """Undo the kernel's octal escapes (a space is \\040)."""
    return re.sub(r"\\(\d{3})", lambda escape: chr(int(escape[1], 8)), field)
