"""What a task module declares about a service. Frozen values; nothing here touches a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lgtm.model.secrets import Secret
from lgtm.model.settings import ServiceSettings

OnChange = Literal["restart", "reload", "none"]

CURRENT = "/opt/lgtm/current"
ARTIFACTS = "/opt/lgtm/artifacts"
SECRETS = "/etc/lgtm/secrets"
METRICS = "/opt/lgtm/metrics"  # files of metrics for node_exporter, such as drift.prom


def unit_name(service: str) -> str:
    """`lgtm-prometheus.service`: the systemd unit of a service."""
    return f"lgtm-{service}.service"


def etc(service: str, path: str = "") -> str:
    """Path of a service's configuration. It goes through the link `current`, so that a switch changes it."""
    return f"{CURRENT}/etc/{service}/{path}".rstrip("/")


def credential(service: str, name: str) -> str:
    """Path at which a service reads one of its secrets (systemd 247 and later)."""
    return f"/run/credentials/{unit_name(service)}/{name}"


@dataclass(frozen=True)
class Artifact:
    """A release in `artifacts.lock`. In a command, `{artifact}` is the directory of its files."""

    name: str
    version: str


@dataclass(frozen=True)
class ConfigFile:
    """A file below `etc/<service>/`. `on_change`: what a running service needs after a change of it."""

    path: str
    content: str
    on_change: OnChange = "restart"


@dataclass(frozen=True)
class SecretFile:
    """A secret that the service reads from `credential(service, name)`."""

    name: str
    value: Secret


@dataclass(frozen=True)
class Volume:
    """A directory that is kept across generations and owned by the service's user."""

    path: str
    mode: str = "0750"
    mount: str | None = None  # the mount point at or above it; while it is not mounted, nothing is written there
    expects: int = 0  # expected bytes after the retention; 0 = no estimate


@dataclass(frozen=True)
class Port:
    """A socket the service listens on."""

    name: str
    number: int
    address: str
    protocol: Literal["tcp", "udp"] = "tcp"


@dataclass(frozen=True)
class Reload:
    """How a running service loads new configuration, and how its metrics confirm it.

    `url` answers in the Prometheus text format; `success` is the metric that is 1 after a successful load.
    With a `signal`, `stamp` is a metric whose value changes with every successful load. Without one, the service
    watches its file itself, and `stamp` is a metric with the sha256 of the loaded file in its labels.
    `timeout` in seconds.
    """

    url: str
    success: str
    stamp: str
    signal: str | None = "HUP"
    timeout: int = 15

    @classmethod
    def named(cls, url: str, prefix: str) -> Reload:
        """A reload by SIGHUP, with the usual names of its two metrics.

        Example: `Reload.named(url, "prometheus_config_last_reload")`.
        """
        return cls(url, f"{prefix}_successful", f"{prefix}_success_timestamp_seconds")


@dataclass(frozen=True)
class Unit:
    """What differs in a service's systemd unit; `lgtm.model.unit` adds the hardening that all share.

    `command` is the argument list; `{artifact}` is the artifact's directory. The commands in `before` run before it
    at every start, as the same user in the same sandbox. `groups` are further groups of that user. `relax` overrides
    single directives of the shared hardening (None removes one); `reason` explains why. Memory in bytes, CPU in cores,
    times in seconds. `memory_max`, `cpu_cores` and `stop_timeout` come from the settings of the service: see `limited`.
    """

    command: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()
    groups: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    relax: Mapping[str, str | None] = field(default_factory=dict)
    reason: str = ""
    memory_max: int | None = None
    cpu_cores: float | None = None
    start_timeout: int = 60
    stop_timeout: int = 60


@dataclass(frozen=True)
class Validator:
    """A command run by the new binary against the staged files, before anything is switched.

    `{artifact}` and `{etc}` are the directories of the artifact and of the staged configuration. It runs as the
    service's user in the sandbox of the service's unit, and can write nothing.
    """

    command: tuple[str, ...]


UNIT_LIMITS = ("memory_max", "cpu_cores", "stop_timeout")


@dataclass(frozen=True)
class Component:
    """One service on one host."""

    service: str
    artifact: Artifact
    unit: Unit
    ready: str  # URL that answers 200 when the service is ready
    ports: tuple[Port, ...]
    files: tuple[ConfigFile, ...] = ()
    volumes: tuple[Volume, ...] = ()
    secrets: tuple[SecretFile, ...] = ()
    validators: tuple[Validator, ...] = ()
    reload: Reload | None = None
    backup: tuple[
        str, ...
    ] = ()  # paths of data that exists nowhere else; backup.py copies them while the service is stopped
    adopts: tuple[
        str, ...
    ] = ()  # files that another installation may have left, read before the first start; `?path`: without content
    drain: str | None = None  # URL that answers 200 while the service can send what it still holds
    after: tuple[str, ...] = ()  # services of the same host that must be ready first
    ready_timeout: int = 60

    @property
    def rehearsals(self) -> tuple[tuple[Literal["validator", "version"], tuple[str, ...]], ...]:
        """(kind, command) of what must run in the unit's sandbox before a switch, at least `--version`."""
        commands = [validator.command for validator in self.validators]
        program = self.unit.command[0]
        asked = () if any(command[0] == program for command in commands) else (("version", (program, "--version")),)
        return (*asked, *(("validator", command) for command in commands))

    @property
    def user(self) -> str:
        return f"lgtm-{self.service.replace('_', '-')}"


def limited(component: Component, settings: ServiceSettings) -> Component:
    """The component with the limits of its settings: memory, CPU, and the time to become ready and to stop.

    What the module writes itself is kept, unless somebody has set that limit.
    """

    def limit(name: str, written: Any, default: Any) -> Any:
        kept = written != default and name not in settings.model_fields_set
        return written if kept else getattr(settings, name)

    unit, usual = component.unit, Unit(())
    limits = {name: limit(name, getattr(unit, name), getattr(usual, name)) for name in UNIT_LIMITS}
    ready_timeout = limit("ready_timeout", component.ready_timeout, Component.ready_timeout)
    return replace(component, unit=replace(unit, **limits), ready_timeout=ready_timeout)
