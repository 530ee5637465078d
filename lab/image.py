"""The Debian image that every host boots from: built once, kept, and never half built."""

import hashlib
import tempfile
from pathlib import Path

from . import apt
from .overlay import clear
from .shell import run

GUEST = Path(__file__).resolve().parent / "guest"
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "sudo",
    "iproute2",
    "curl",
    "ca-certificates",
    "procps",
)


def path(images: Path, suite: str) -> Path:
    """Return where the image of a suite is, built or not."""
    return images / f"{suite}-{recipe_digest(suite)}"


def ensure(images: Path, suite: str) -> Path:
    """Return the image of a Debian suite, building it first if its recipe has no image yet."""
    image = path(images, suite)
    if not image.is_dir():
        print(f"building the {suite} image (about half a minute, once)", flush=True)
        build(image, suite)
    return image


def build(image: Path, suite: str) -> None:
    """Build in another directory and rename it: an unfinished image never has the name of an image."""
    for leftover in image.parent.glob(".building-*"):
        clear(leftover)
    workshop = Path(tempfile.mkdtemp(prefix=".building-", dir=image.parent))
    root = workshop / "root"
    options = [f"--aptopt={option}" for option in apt.machine_options()]
    run(
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        f"--customize-hook={GUEST / 'customize.sh'}",
        *options,
        suite,
        root,
        apt.machine_mirror(),
    )
    root.rename(image)
    workshop.rmdir()


def recipe_digest(suite: str) -> str:
    """Digest everything that decides what the image holds, but for the archive's own progress."""
    digest = hashlib.sha256(repr((suite, PACKAGES)).encode())
    for path in sorted(path for path in GUEST.rglob("*") if path.is_file()):
        digest.update(path.relative_to(GUEST).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
