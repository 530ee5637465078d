"""A lab of the tests' own: another directory, another bridge; a lab somebody works with is left alone."""

import os
import socket
from collections.abc import Iterator
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.layout import ROOT, Layout
from lab.machines import Host, Lab
from lab.network import Network

# The upper half of the lab's network: a more specific route, so that both labs can be up at once.
NETWORK = Network("lgtm-try", IPv4Interface("198.18.0.129/25"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what boots machines where that cannot work, with the reason."""
    if os.geteuid() == 0:
        return
    for item in items:
        if {"lab", "spare_lab"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.skip(reason="booting machines needs root"))


@pytest.fixture(scope="session")
def bridge() -> Iterator[None]:
    """The tests' bridge, for this run alone; what a killed run left on it is taken down."""
    # A name without a file belongs to a network, as the bridge does: workers with networks of their own do not meet.
    with socket.socket(socket.AF_UNIX) as lock:
        try:
            lock.bind(f"\0{NETWORK.bridge}")
        except OSError:
            pytest.skip(f"another run of these tests has the bridge {NETWORK.bridge}")
        if stale := NETWORK.owner():
            Lab(Layout(stale.parent), NETWORK).down()
        yield


def make_lab(home: Path) -> Lab:
    """Make a lab in a directory, sharing what takes long to make with the repository's own."""
    layout = Layout(home)
    layout.base.mkdir(mode=0o700)
    for shared in ("image", "artifacts", "debian"):
        store = ROOT / ".lab" / shared
        store.mkdir(parents=True, exist_ok=True)
        (layout.base / shared).symlink_to(store)
    return Lab(layout, NETWORK)


@pytest.fixture(scope="module")
def lab(bridge: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A running lab with one host, for a module of tests that do not break it."""
    lab = make_lab(tmp_path_factory.mktemp("lab"))
    try:
        lab.up(1)
        yield lab
    finally:
        lab.down()


@pytest.fixture
def spare_lab(bridge: None, tmp_path: Path) -> Iterator[Lab]:
    """A lab that is not up yet, for one test to do with as it likes."""
    lab = make_lab(tmp_path)
    try:
        yield lab
    finally:
        lab.down()


@pytest.fixture
def host(lab: Lab) -> Host:
    """The running lab's first host."""
    return lab.host(1)


def traces(lab: Lab) -> list[str]:
    """List everything on this machine that a lab is the only one to have made."""
    bridge, home = lab.network.bridge, str(lab.layout.home)
    interfaces = [f"interface {name}" for name in os.listdir("/sys/class/net") if bridge in name]
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if home in line]
    groups = [str(path) for path in Path("/sys/fs/cgroup").rglob(bridge)]
    nspawn = [str(path) for path in Path("/run/systemd/nspawn").rglob(f"{bridge}-*")]
    return interfaces + mounts + groups + nspawn + processes(bridge, home)


def processes(bridge: str, home: str) -> list[str]:
    """List the living processes in the lab's control groups or with its directory on their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            group, command = (entry / "cgroup").read_text(), (entry / "cmdline").read_bytes().decode()
            dead = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
        if not dead and (f"/{bridge}" in group or home in command):
            found.append(f"process {entry.name}: {command}")
    return found


def refusal(lab: Lab) -> str:
    """Try to bring a lab up, and give the sentence with which it refuses."""
    with pytest.raises(LabError) as refused:
        lab.up(1)
    return str(refused.value)
