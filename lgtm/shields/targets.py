"""The hosts of a run: those of the inventory, in its order, within --limit; all of them must be reachable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from pyinfra.api.exceptions import NoConnectorError, PyinfraError
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import BaseStateCallback

from lgtm.model.errors import LgtmError, Usage
from lgtm.shields.connection import NOPASSWD, login
from lgtm.shields.patch import around, cli

REMEDIES = (  # what a failed connection says → what to do about it
    ("private key", "; correct ssh_key, or leave it out to use the keys of your agent"),
    ("Authentication", "; ssh with this login must work without a prompt: see ssh_user and ssh_key"),
    ("No authentication methods", "; there is no key to log in with: start an agent, or set ssh_key"),
    ("resolve", "; correct the name, or set ssh_hostname to its address"),
    ("found in known_hosts", "; log in by hand once, and compare its key"),
    ("does not match", "; its key has changed: if the host was reinstalled, remove the old key with ssh-keygen -R"),
    ("No such file", "; ssh's own folder is missing: mkdir -m 700 ~/.ssh"),
    ("EOF error", "; a key with a passphrase needs an agent: run ssh-add, and leave ssh_key out"),
    ("Could not connect", "; check that the host is up, and that its ssh port is reachable from here"),
    ("protocol banner", "; something else than an ssh server answers: see ssh_port"),
)


def hosts_in_inventory_order() -> None:
    """Active hosts are kept in a set: which host goes first, and is the canary, changes from run to run."""

    @around(Inventory, "get_active_hosts")
    def _(_original: Any, self: Any) -> list[Any]:
        return [host for host in self if host in self.state.active_hosts]

    @around(Inventory, "iter_activated_hosts")
    def _(_original: Any, self: Any) -> Iterator[Any]:
        return (host for host in self if host in self.state.activated_hosts)


def limits_must_match() -> None:
    """`--limit`/`--exclude` collect a set (random order), and a typo deploys to nothing, with exit code 0."""

    @around(cli, "_get_inventory_pattern_matches")
    def _(_original: Any, inventory: Any, patterns: Iterable[str], option: str) -> list[Any]:
        chosen: set[Any] = set()
        for pattern in patterns:
            hosts = inventory.get_group(pattern, None) or [h for h in inventory if fnmatch(h.name, pattern)]
            if not hosts:
                raise Usage(f"{option} {pattern}: no group and no host of the inventory has this name")
            chosen.update(hosts)
        return [host for host in inventory if host in chosen]

    @around(cli, "_apply_inventory_exclude")
    def _(original: Any, *args: Any) -> Any:
        hosts = original(*args)
        if hosts is not None and not hosts:
            raise Usage("--limit and --exclude leave no host")
        return hosts


def inventory_must_exist() -> None:
    """A mistyped or empty inventory is an empty deploy, with exit code 0."""

    @around(cli, "make_inventory")
    def _(original: Any, inventory: str, **kwargs: Any) -> Any:
        path = Path(inventory)
        is_list = "," in inventory or "@" in inventory or "ssh_hostname" in kwargs["override_data"]
        if path.is_dir():
            raise Usage(f"inventory {inventory} is a directory: name a file in it")
        if not path.exists() and not is_list and (path.suffix == ".py" or "/" in inventory):
            raise Usage(f"inventory {inventory} does not exist")
        if not path.exists() and not all(inventory.split(",")):
            raise Usage(f"inventory {inventory!r} has an empty host name in it")
        try:
            made = original(inventory, **kwargs)
        except NoConnectorError as error:
            raise Usage(f"inventory {inventory}: {error}") from error
        if not len(made):
            problem = "has no hosts" if path.exists() or is_list else "is neither a file nor a host"
            raise Usage(f"inventory {inventory} {problem}")
        for host in made:
            if host.data.get("_sudo_password") or host.data.get("_use_sudo_password"):
                raise Usage(f"{host.name}: _sudo_password: {NOPASSWD}")
        return made


def every_host_must_connect() -> None:
    """With -y an unreachable host is dropped, and the deploy goes on without it."""

    @around(cli, "connect_all")
    def _(original: Any, state: Any) -> None:
        reasons: dict[Any, Exception] = {}
        handler: Any = BaseStateCallback()
        handler.host_connect_error = lambda _state, host, error: reasons.update({host: error})
        state.add_callback_handler(handler)
        ask, state.should_raise_failed_hosts = state.should_raise_failed_hosts, None
        try:
            original(state)
        except PyinfraError:
            if not reasons:
                raise
        state.should_raise_failed_hosts = ask
        if reasons:
            raise LgtmError("\n".join(_unreachable(host, reasons[host]) for host in state.inventory if host in reasons))


def _unreachable(host: Any, reason: Exception) -> str:
    user, address = login(host)
    remedy = next((remedy for word, remedy in REMEDIES if word in str(reason)), "")
    return f"{host.name}: cannot connect{f' as {user} to {address}' if address else ''}: {reason}{remedy}"
