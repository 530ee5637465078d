"""The connection to a host: its login, its speed, and no password for sudo."""

from __future__ import annotations

import getpass
import logging
import socket
from collections.abc import Callable
from importlib import import_module
from typing import Any

from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.connectors.sshuserclient.client import get_ssh_config
from pyinfra.connectors.util import SUDO_PASSWORD_REQUIRED_LINES

from lgtm.model.errors import LgtmError, Usage
from lgtm.shields.patch import around, ssh

NOPASSWD = "a sudo password is readable in the host's process list; give the user NOPASSWD sudo instead"


def login(host: Any) -> tuple[str, str]:
    """Give the user and the address (host:port) of a host's connection; the address is empty without SSH."""
    if not isinstance(host.connector, ssh.SSHConnector):
        return getpass.getuser(), ""
    data: Any = host.connector.data
    name = data["ssh_hostname"] or host.name
    configured = getattr(host.connector.client, "_ssh_config", {})
    ssh_config = get_ssh_config(data["ssh_config_file"])
    address = ssh_config.lookup(name).get("hostname", name) if ssh_config else name
    user = data["ssh_user"] or configured.get("username") or getpass.getuser()
    return user, f"{address}:{data['ssh_port'] or configured.get('port', 22)}"


def ssh_without_nagle() -> None:
    """paramiko leaves Nagle's algorithm on: every command waits some 40 ms for a delayed acknowledgement."""

    @around(ssh.SSHConnector, "_connect")
    def _(original: Any, self: Any) -> None:
        original(self)
        transport = self.client.get_transport()
        if transport and isinstance(transport.sock, socket.socket):  # not a proxy's
            transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def no_login_is_a_sentence() -> None:
    """A key that is missing or cannot be used ends in a traceback, and paramiko prints one for a silent port."""
    logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)

    @around(ssh.SSHConnector, "connect")
    def _(original: Any, self: Any) -> None:
        try:
            original(self)
        except ConnectError:
            raise
        except PyinfraError as error:
            raise ConnectError(str(error)) from None


def refuse_sudo_password() -> None:
    """A sudo password travels in the remote argument list; and where sudo asks for one, pyinfra prompts."""
    util, local = import_module("pyinfra.connectors.util"), import_module("pyinfra.connectors.local")

    @around(util, "_ensure_sudo_askpass_set_for_host")
    def _(_original: Any, host: Any, **_kwargs: Any) -> str:
        raise Usage(f"{host.name}: _sudo_password: {NOPASSWD}")

    def run_once(_original: Any, host: Any, _arguments: Any, execute_command: Callable[[], Any]) -> Any:
        code, output = execute_command()
        if code and any(line.strip() in SUDO_PASSWORD_REQUIRED_LINES for line in output.output_lines):
            raise LgtmError(f"sudo on {host.name} asks for a password: give {login(host)[0]} NOPASSWD sudo")
        return code, output

    for module in (util, ssh, local):
        around(module, "execute_command_with_sudo_retry")(run_once)
