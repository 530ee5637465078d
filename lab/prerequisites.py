"""The tools that the lab needs on this machine. Missing ones are installed from Debian."""

import os
import shutil

from .errors import LabError
from .shell import PATH, attempt

PACKAGES = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "redis-server": "redis-server",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "curl": "curl",
    "update-ca-certificates": "ca-certificates",
    "nsenter": "util-linux",
    "journalctl": "systemd",
    "gpgv": "gpgv",
    "openssl": "openssl",
}
FOR_TESTS = {"chromium": "chromium", "chromedriver": "chromium-driver"}  # a browser
# RUNLEVEL=1 makes invoke-rc.d refuse to start what a package brings (Redis), with or without systemd here.
QUIETLY = ("env", "RUNLEVEL=1", "DEBIAN_FRONTEND=noninteractive")


def ensure(tests: bool = False) -> None:
    """Install the missing tools; LabError when this is not root, not Debian, or a tool stays missing."""
    if os.geteuid() != 0:
        raise LabError("The lab boots real machines and needs root: run this as root, or with sudo.")
    absent = missing(tests)
    if not absent:
        return
    if shutil.which("apt-get") is None:
        raise LabError(
            f"The lab lacks {', '.join(absent)} and can install them only on Debian or its kin: "
            f"install what your system has for {', '.join(absent.values())} and run this again."
        )
    install(sorted(set(absent.values())))
    if still := missing(tests):
        raise LabError(f"apt-get installed {', '.join(still.values())}, yet {', '.join(still)} is not on PATH.")


def missing(tests: bool = False) -> dict[str, str]:
    """Return the tools that are not on PATH, each with its Debian package."""
    wanted = PACKAGES | FOR_TESTS if tests else PACKAGES
    return {tool: package for tool, package in wanted.items() if shutil.which(tool, path=PATH) is None}


def install(packages: list[str]) -> None:
    """Install packages without starting their services; a first failure is tried again with fresh lists."""
    print(f"installing {', '.join(packages)}", flush=True)
    command = (*QUIETLY, "apt-get", "install", "--yes", "--no-install-recommends", *packages)
    done = attempt(*command)
    if done.returncode != 0:
        attempt(*QUIETLY, "apt-get", "update")
        done = attempt(*command)
    if done.returncode != 0:
        complaint = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        raise LabError(f"apt-get could not install {', '.join(packages)}: {' '.join(complaint)}")
