"""Where tests run that have a lab to themselves: apart from the machine and from each other, and gone afterwards."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.cgroup import hierarchies
from lab.layout import ROOT

WORKER = ROOT / "tests" / "worker.sh"
SLEEPER = "98765.4"  # seconds; nobody else sleeps so long
LOOK = f"""
import json, os, subprocess
subprocess.Popen(["sleep", "{SLEEPER}"], start_new_session=True)
outside = ["nsenter", f"--net=/proc/self/fd/{{os.environ['LGTM_OUTSIDE']}}", "ip", "-json", "link"]
print(json.dumps({{
    "interfaces": os.listdir("/sys/class/net"),
    "outside": [one["ifname"] for one in json.loads(subprocess.check_output(outside, close_fds=False))],
    "lab": sorted(os.listdir(".lab")),
    "mounts": [line.split()[4] for line in open("/proc/self/mountinfo") if "{ROOT}/.lab/machines/" in line],
    "groups": [line.split(":")[2].strip() for line in open("/proc/self/cgroup") if line.startswith("0:")],
    "processes": len([name for name in os.listdir("/proc") if name.isdigit()]),
}}))
raise SystemExit(7)
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="namespaces need root")


def around() -> list[str]:
    """What a worker could leave in this machine."""
    groups = [path.name for hierarchy in hierarchies() for path in hierarchy.glob("lgtm-worker-*")]
    asleep = [path for path in Path("/proc").glob("[0-9]*/cmdline") if SLEEPER in _read(path)]
    return sorted([*groups, *map(str, asleep), *(path.name for path in (ROOT / ".lab").glob("worker-*"))])


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


@pytest.fixture
def disk() -> Iterator[Path]:
    """Something mounted where the repository's own lab has its hosts' disks."""
    folder = ROOT / ".lab" / "machines" / "another"
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)
    folder.rmdir()


def test_a_worker_is_apart_tells_how_it_ended_and_leaves_nothing(disk: Path) -> None:
    before = around()
    done = subprocess.run([WORKER, "-c", LOOK], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (7, "")
    seen = json.loads(done.stdout)
    assert seen["interfaces"] == ["lo"] and sorted(seen["outside"]) == sorted(os.listdir("/sys/class/net"))
    assert seen["lab"] == ["artifacts", "debian", "image"] and seen["groups"] == ["/"]
    assert seen["mounts"] == [] and os.path.ismount(disk)
    assert seen["processes"] == 3  # the shell that is process 1, Python, and what it started
    assert around() == before


def test_an_interrupted_worker_leaves_nothing_either() -> None:
    before = around()
    waits = f"import subprocess; print('ready', flush=True); subprocess.run(['sleep', '{SLEEPER}'])"
    with subprocess.Popen(
        [WORKER, "-c", waits], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as worker:
        assert worker.stdout and worker.stdout.readline() == b"ready\n"
        assert around() != before
        os.killpg(worker.pid, signal.SIGTERM)  # SIGINT is ignored below a shell that runs this in the background
        worker.wait(30)
    assert worker.returncode != 0
    assert around() == before
