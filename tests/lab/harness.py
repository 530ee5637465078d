"""Deploys to real lab hosts, through the real command line. Hosts are the lab's own numbers, see HOSTS."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dotenv
import pytest

from lab.machines import Host, Lab
from lgtm.load.plugins import tasks
from lgtm.model.settings import env_keys

ALL_HOSTS = 5
HOSTS = (2, 3, 4)  # the first carries whole stacks, the others go through what breaks hosts
SERVICES = ("prometheus", "alertmanager", "mimir", "node_exporter", "redis_exporter")
ROOT = Path(__file__).parents[2]
GATEWAY = "198.18.0.1"


@dataclass(frozen=True)
class Run:
    """What one run of the command line came to."""

    code: int
    text: str  # both streams, colours removed

    def plan(self, kind: str) -> list[str]:
        """The plan's lines of a kind (`file`, `restart`, …), without the mark of what is done."""
        return re.findall(rf"^  [+~-] ({kind} .*)$", self.text, flags=re.MULTILINE)


@dataclass
class Site:
    """An inventory outside the repository, which can be deployed."""

    folder: Path
    hosts: dict[Host, tuple[str, ...]]  # host → services
    data: dict[str, Any] = field(default_factory=dict)  # of every host
    root: Path = ROOT
    env: dict[str, str] = field(default_factory=dict)

    def run(self, script: str, *flags: str, yes: bool = True, **data: Any) -> Run:
        """Run a script; `data` are settings of every host, for this run alone."""
        inventory = self.folder / "lab.py"
        inventory.write_text(self._inventory(self.data | data))
        command = [str(Path(sys.executable).parent / "pyinfra"), *(["-y"] * yes), *flags, str(inventory), script]
        environ = os.environ | {"PYINFRA_PROGRESS": "off", "LGTM_OFFLINE": "1"} | self.env
        done = subprocess.run(
            command, cwd=self.root, env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=240,
            start_new_session=True,  # without a terminal, whoever runs the tests: nobody is there to be asked
        )  # fmt: skip
        return Run(done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr))

    def deploy(self, *flags: str, **data: Any) -> Run:
        return self.run("deploy.py", *flags, **data)

    def dry(self, *flags: str, **data: Any) -> Run:
        return self.run("deploy.py", "--dry", *flags, **data)

    def deployed(self, *flags: str, **data: Any) -> Run:
        """Deploy, and insist that it went well."""
        run = self.deploy(*flags, **data)
        assert run.code == 0, run.text
        return run

    def reported(self, script: str, *flags: str, **data: Any) -> tuple[Run, dict[str, Any]]:
        """Run a script, and read the record that it leaves."""
        path = self.folder / "record.json"
        path.unlink(missing_ok=True)
        run = self.run(script, *flags, "--data", f"json={path}", **data)
        return run, json.loads(path.read_text()) if path.exists() else {}

    def _inventory(self, data: dict[str, Any]) -> str:
        groups = {service: [host for host in self.hosts if service in self.hosts[host]]
                  for services in self.hosts.values() for service in services}  # fmt: skip
        return "".join(
            f"{service} = {[(host.name, _address(host) | data) for host in hosts]!r}\n"
            for service, hosts in groups.items()
        )


def _address(host: Host) -> dict[str, Any]:
    return {"ssh_hostname": host.address, "private_address": host.address}


def sh(host: Host, script: str) -> str:
    """Run a script as root on a host, without ssh."""
    return host.inside("sh", "-c", script).strip()


def pids(host: Host) -> dict[str, str]:
    """service → main process, of every unit of ours that is loaded."""
    script = "for s in $(cat /opt/lgtm/current/order); do echo $s $(systemctl show -P MainPID lgtm-$s); done"
    return dict(line.split() for line in sh(host, script).splitlines())


def active(host: Host) -> dict[str, str]:
    """service → systemd's word on it, of every service that `current` names."""
    script = "for s in $(cat /opt/lgtm/current/order); do echo $s $(systemctl is-active lgtm-$s); done; true"
    return dict(line.split() for line in sh(host, script).splitlines())


def current(host: Host) -> str:
    """The generation in force, or nothing."""
    return sh(host, "readlink /opt/lgtm/current || true").removeprefix("generations/")


def written(host: Host) -> str:
    """Every file below what a deploy writes to, with what tells whether it was touched."""
    return sh(host, "find /opt /etc /usr/local -printf '%p %y %m %U:%G %s %T@ %C@ %l\\n' 2>/dev/null | sort")


def metric(host: Host, port: int, name: str) -> str:
    """The value of a metric without labels, as a service on the host's loopback gives it."""
    return sh(host, f"curl -s 127.0.0.1:{port}/metrics | sed -n 's/^{name} //p'")


def secret_values() -> list[str]:
    """The lab's secrets in every form in which one could leak. An address or a user name is none."""
    plain = {env.key for task in tasks().values() for env in env_keys(task.settings).values() if env.plain}
    values = [value for key, value in dotenv.dotenv_values(ROOT / ".env.lab").items() if value and key not in plain]
    encoded = [base64.b64encode(value.encode()).decode().rstrip("=")[:-1] for value in values]
    return [*values, *encoded]


def checkout(root: Path) -> Path:
    """A copy of the repository as git would commit it, that uses the same lab."""
    listing = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
    for name in subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    (root / ".lab").symlink_to(ROOT / ".lab")
    return root


def locked_repository(folder: Path, *names: str) -> Path:
    """A copy of the repository whose lock file has some of the lab's artifacts; they lie in `mirror` beside it."""
    root, mirror = checkout(folder / "repository"), folder / "mirror"
    mirror.mkdir()
    (root / ".env.lab").symlink_to(ROOT / ".env.lab")
    index = json.loads((ROOT / ".lab/artifacts/index.json").read_text())
    for name in names:
        known = index[name]
        shutil.copy(ROOT / ".lab/artifacts" / known["file"], mirror / known["file"])
        row = f'\n[{name}.versions."{known["version"]}"]\namd64 = "{known["sha256"]}"\n'
        lock = (root / "artifacts.lock").read_text()
        if row.splitlines()[1] not in lock:
            (root / "artifacts.lock").write_text(lock + row)
    return root


@contextmanager
def fresh(lab: Lab, *numbers: int) -> Iterator[tuple[Host, ...]]:
    """Bare hosts, switched off afterwards: a stack that is asked no more would still use the processor."""
    lab.reset(numbers)
    hosts = tuple(lab.host(number) for number in numbers)
    try:
        yield hosts
    finally:
        for host in hosts:
            host.power_cut()


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address under which lab hosts can fetch what lies in a folder."""
    server = ThreadingHTTPServer((GATEWAY, 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{GATEWAY}:{server.server_port}"
    finally:
        server.shutdown()


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The repository's lab; what was up before stays up afterwards."""
    if os.geteuid() != 0:
        pytest.skip("booting lab hosts needs root")
    if not shutil.which("systemd-nspawn"):
        pytest.skip("booting lab hosts needs systemd-nspawn (`python -m lab prerequisites`)")
    lab = Lab()
    were_up = any(host.is_running for host in lab.hosts)
    lab.up(ALL_HOSTS)  # whatever is wrong with it is a failure: a suite that skips all of this has shown nothing
    try:
        yield lab
    finally:
        if were_up:
            lab.up()
        else:
            lab.down()


@pytest.fixture(scope="module")
def bare(lab: Lab) -> Iterator[tuple[Host, ...]]:
    """The tests' hosts with nothing on them, once a module."""
    with fresh(lab, *HOSTS) as hosts:
        yield hosts


@pytest.fixture(scope="module")
def host(bare: tuple[Host, ...]) -> Host:
    """The host that carries what the module deploys."""
    return bare[0]


@pytest.fixture(scope="module")
def services() -> tuple[str, ...]:
    """What the module's host carries; a module that needs less says so."""
    return SERVICES


@pytest.fixture(scope="module")
def site(host: Host, services: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site of one host."""
    return Site(tmp_path_factory.mktemp("site"), {host: services})


@pytest.fixture(scope="module")
def converged(site: Site) -> Site:
    """That site, deployed."""
    site.deployed()
    return site
