"""The services that the hosts talk to, on the bridge's address: backend, Redis, SMTP sink."""

import hashlib
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from . import credentials
from .certificate import Certificate
from .cgroup import Group
from .contract import (
    BACKEND_PORTS,
    REDIS_PASSWORD,
    REDIS_PORT,
    SMTP_PASSWORD,
    SMTP_PORT,
    SMTP_USERNAME,
    STAGING_TOKEN,
)
from .errors import LabError
from .layout import ROOT, Layout
from .network import Network
from .shell import PATH
from .waiting import until

NAMES = ("backend", "redis", "smtp")

REDIS_CONFIG = """\
bind {address}
port {port}
requirepass {password}
dir {folder}
save ""
appendonly no
"""


@dataclass(frozen=True)
class Service:
    """A background process of the lab. Secrets are passed by environment or private file, never as arguments."""

    name: str
    command: tuple[str, ...]
    ports: tuple[int, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[Path, str] = field(default_factory=dict)
    imports: str = ""  # the Python package that it needs

    def fingerprint(self) -> str:
        """Digest what the service is started from, secrets included."""
        return hashlib.sha256(repr((self.command, self.environment, self.files)).encode()).hexdigest()


def ensure(layout: Layout, network: Network) -> None:
    """Start all services with the secrets of `.env.lab`, and return once they answer."""
    secret = credentials.ensure(layout.env_file)
    wanted = (backend(network, secret), redis(layout, network, secret), smtp(layout, network, secret))
    changed = [service for service in wanted if not _is_current(service, layout, network)]
    for service in changed:
        _start(service, layout, network)
    for service in changed:
        _await(service, layout, network)


def running(network: Network) -> dict[str, bool]:
    """Return for each service whether it runs."""
    return {name: bool(_group(network, name).pids()) for name in NAMES}


def refuse_mail(layout: Layout, refuse: bool) -> None:
    """Make the SMTP sink refuse every login, or accept the right ones again."""
    if refuse:
        _refusing(layout).touch()
    else:
        _refusing(layout).unlink(missing_ok=True)


def backend(network: Network, secret: Mapping[str, str]) -> Service:
    """Describe the fake GatewayZ backend, both environments in one process; its logs and traces go to host 1."""
    stores = str(network.address(1).ip)
    command = (sys.executable, "-m", "lab.backend", "--address", network.gateway, "--telemetry", stores)
    token = {STAGING_TOKEN: secret[STAGING_TOKEN]}
    return Service("backend", command, tuple(BACKEND_PORTS.values()), token, imports="prometheus_client")


def redis(layout: Layout, network: Network, secret: Mapping[str, str]) -> Service:
    """Describe Debian's Redis with a password and nothing kept on disk."""
    password, path = secret[REDIS_PASSWORD], layout.state / "redis.conf"
    text = REDIS_CONFIG.format(
        address=network.gateway,
        port=REDIS_PORT,
        password=_redis_string(password),
        folder=_redis_string(str(layout.state)),
    )
    return Service("redis", ("redis-server", str(path)), (REDIS_PORT,), files={path: text})


def smtp(layout: Layout, network: Network, secret: Mapping[str, str]) -> Service:
    """Describe the SMTP sink."""
    pair = Certificate(layout.tls, network)
    command = (
        *(sys.executable, "-m", "lab.smtp", "--address", network.gateway),
        *("--mail", str(layout.mail), "--refusing", str(_refusing(layout))),
        *("--certificate", str(pair.public), "--key", str(pair.key)),
    )
    login = {name: secret[name] for name in (SMTP_USERNAME, SMTP_PASSWORD)}
    return Service("smtp", command, (SMTP_PORT,), login, imports="aiosmtpd")


def _is_current(service: Service, layout: Layout, network: Network) -> bool:
    started_from = _fingerprint_file(service, layout)
    runs = bool(_group(network, service.name).pids())
    return runs and started_from.exists() and started_from.read_text() == service.fingerprint()


def _start(service: Service, layout: Layout, network: Network) -> None:
    if service.imports and find_spec(service.imports) is None:
        raise LabError(f"{sys.executable} lacks {service.imports}: run this with the project's .venv (`make`).")
    for path, text in service.files.items():
        credentials.write(path, text)
    group = _group(network, service.name)
    group.stop()
    environment = {"PATH": PATH, "PYTHONPATH": str(ROOT), **service.environment}
    group.start(*service.command, log=_log(service, layout), env=environment)
    _fingerprint_file(service, layout).write_text(service.fingerprint())


def _await(service: Service, layout: Layout, network: Network) -> None:
    group = _group(network, service.name)

    def listens() -> bool:
        return all(_answers(network.gateway, port) for port in service.ports)

    until(lambda: listens() or not group.pids(), 15)
    if not listens():
        last = " | ".join(_log(service, layout).read_text(errors="replace").splitlines()[-3:])
        ports = ", ".join(map(str, service.ports))
        raise LabError(f"{service.name} does not listen on {network.gateway}, port {ports}; its log ends: {last}")


def _answers(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


def _group(network: Network, name: str) -> Group:
    return Group(f"{network.bridge}/{name}")


def _log(service: Service, layout: Layout) -> Path:
    return layout.log / f"{service.name}.log"


def _redis_string(text: str) -> str:
    """Quote a value of Redis's configuration file."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _refusing(layout: Layout) -> Path:
    return layout.state / "smtp_refusing"


def _fingerprint_file(service: Service, layout: Layout) -> Path:
    return layout.state / f"{service.name}.started-from"
