"""A host's directories in a mount namespace of this machine: what runs there touches nothing of the machine's own."""

from __future__ import annotations

import base64
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from examples import NONCE, build, full

from lgtm.model.generation import Generation
from lgtm.model.hoststate import HostState, parse

LGTM = Path(__file__).parents[2] / "lgtm"
WANTED = build(full())

# A mount namespace in which the places that a host has are new and empty; it lasts as long as its `sleep`.
# What lies at the mount points of this machine is hidden, never touched.
PRIVATE = """
for path in /opt /run; do mount -t tmpfs -o mode=755 private $path; done
mkdir -p /run/etc/systemd/system && cd /etc
for name in passwd group shadow gshadow nsswitch.conf os-release hostname login.defs pam.d security ld.so.cache; do
	[ ! -e $name ] || cp -aL $name /run/etc/
done
cd / && mount --bind /run/etc /etc
mkdir -p /run/lgtm /opt/lgtm/generations /opt/lgtm/artifacts
echo ready && exec sleep 600
"""


@dataclass(frozen=True)
class Private:
    """A host's directories in a namespace of their own, held by the process `pid`."""

    pid: int

    def run(self, name: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        script = (LGTM / "host" / "scripts" / f"{name}.sh").read_text()
        return self.sh(script, name, *arguments, stdin=f"{stdin}\n")

    def sh(self, script: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        enter = ["nsenter", f"--mount=/proc/{self.pid}/ns/mnt", "sh", "-c", script, *arguments]
        return subprocess.run(enter, input=stdin, capture_output=True, text=True, timeout=30)

    def path(self, path: str) -> Path:
        return Path(f"/proc/{self.pid}/root{path}")

    def read(self, wanted: Generation) -> HostState:
        ran = self.run("read", *arguments(wanted), stdin=NONCE)
        assert ran.returncode == 0, ran.stderr
        return parse(ran.stdout)


@pytest.fixture
def host() -> Iterator[Private]:
    if os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("nsenter")):
        pytest.skip("needs root, unshare and nsenter for directories of its own")
    if not shutil.which("ss"):
        pytest.skip("needs ss, as every host has it")
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", PRIVATE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as holder:
        assert holder.stdout and holder.stderr
        if holder.stdout.readline() != "ready\n":
            pytest.skip(f"no mount namespace here: {holder.stderr.read().strip()}")
        try:
            yield Private(holder.pid)
        finally:
            holder.kill()


def arguments(wanted: Generation) -> list[str]:
    return [wanted.id, *(f"{one.user}:{volume.path}" for one in wanted.components for volume in one.volumes)]


def archived(wanted: Generation) -> str:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, text in wanted.files.items():
            info = tarfile.TarInfo(path)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return base64.encodebytes(buffer.getvalue()).decode()


def stage(host: Private, *validators: str, wanted: Generation = WANTED) -> subprocess.CompletedProcess[str]:
    return host.run("stage", wanted.id, *validators, stdin=archived(wanted))


def deliver(host: Private) -> None:
    """Put activate.sh, and what lies beside it, where a host has them."""
    folder = host.path("/run/lgtm/library")
    folder.mkdir()
    for name in ("activate.sh", "services.sh"):
        shutil.copy(LGTM / "host" / "scripts" / name, folder / name)
        (folder / name).chmod(0o755)
    assert host.sh("mkdir -p /usr/local/lib/lgtm && mount --bind /run/lgtm/library /usr/local/lib/lgtm").returncode == 0
