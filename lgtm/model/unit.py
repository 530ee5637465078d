"""The systemd unit of a component: the hardening that all services share, and the service's own lines."""

from __future__ import annotations

import shlex

from lgtm.model.component import SECRETS, Component, unit_name

LIBRARY = "/usr/local/lib/lgtm"
ACTIVATE = f"{LIBRARY}/activate.sh"

# `systemd-analyze security` rates this set 1.2. SystemCallErrorNumber matters: without it Go programs are
# killed at start by the resource calls that they can do without. A service's /tmp is its own (TemporaryFileSystem),
# where the host's systemd-tmpfiles does not reach: in that of PrivateTmp=yes it deletes what is old, sockets in use
# included. ProcSubset=pid is left out: it hides /proc/stat, without which a Go program does not export when it was
# started, and the alert ServiceRestarting never fires. ProtectProc hides other users' processes all the same.
HARDENING: dict[str, str | None] = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "TemporaryFileSystem": "/tmp:mode=1777 /var/tmp:mode=1777",
    "PrivateDevices": "yes",
    "PrivateMounts": "yes",
    "PrivateUsers": "yes",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectProc": "invisible",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "RemoveIPC": "yes",
    "SystemCallArchitectures": "native",
    "SystemCallFilter": "@system-service\nSystemCallFilter=~@privileged @resources",
    "SystemCallErrorNumber": "EPERM",
    "KeyringMode": "private",
    "UMask": "0027",
    "LimitNOFILE": "1048576",
}


def render(component: Component, artifact: str) -> str:
    """Render the unit file of a component; `artifact` is the artifact's directory on the host."""
    service, unit = component.service, component.unit
    lines = [
        "[Unit]",
        f"Description=pyinfra-lgtm: {service}",
        "Wants=network-online.target",
        f"After={' '.join(('network-online.target', 'lgtm-recover.service', *map(unit_name, component.after)))}",
        "StartLimitIntervalSec=0",
        *(f"AssertPathIsMountPoint={mount}" for mount in sorted({v.mount for v in component.volumes if v.mount})),
        "",
        "[Service]",
        "Type=exec",
        f"User={component.user}",
        f"Group={component.user}",
        *(f"SupplementaryGroups={group}" for group in unit.groups),
        f"ExecStartPre=+{ACTIVATE} started {service}",
        *(f"ExecStartPre={command_line(command, artifact)}" for command in unit.before),
        f"ExecStart={command_line(unit.command, artifact)}",
        "Restart=always",
        "RestartSec=1",
        f"TimeoutStartSec={unit.start_timeout}",
        f"TimeoutStopSec={unit.stop_timeout}",
        *(f'Environment="{name}={_quotable(value)}"' for name, value in sorted(unit.environment.items())),
        *(f"LoadCredential={secret.name}:{SECRETS}/{service}/{secret.name}" for secret in component.secrets),
        *(f"ReadWritePaths={volume.path}" for volume in component.volumes),
        *_limits(component),
        *_hardening(component),
    ]
    return "\n".join(lines) + "\n"


def command_line(command: tuple[str, ...], artifact: str, etc: str = "") -> str:
    """Give a command as systemd reads it: arguments quoted, systemd's specifiers and variables escaped.

    `command_line(("{artifact}/loki", "--log=50%"), "/opt/x")` → `/opt/x/loki --log=50%%`.
    """
    words = [word.replace("{artifact}", artifact).replace("{etc}", etc) for word in command]
    return " ".join(shlex.quote(_escaped(word)).replace("$", "$$") for word in words)


def _escaped(text: str) -> str:
    """Escape a text for systemd, which replaces specifiers everywhere and C escapes in quotes."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("%", "%%")


def _quotable(text: str) -> str:
    return _escaped(text).replace('"', '\\"')


def _limits(component: Component) -> list[str]:
    unit = component.unit
    memory = [f"MemoryMax={unit.memory_max}"] if unit.memory_max is not None else []
    cpu = [f"CPUQuota={unit.cpu_cores * 100:.0f}%"] if unit.cpu_cores is not None else []
    return memory + cpu


def _hardening(component: Component) -> list[str]:
    relaxed = component.unit.relax
    reason = [f"# {component.unit.reason}"] if component.unit.reason else []
    values = HARDENING | dict(relaxed)
    return reason + [f"{name}={value}" for name, value in values.items() if value is not None]
