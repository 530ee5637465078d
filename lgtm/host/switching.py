"""The lock and the switch: who may change a host, and how all hosts of a run stay on a new generation, or none does."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass

import gevent
from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.context import ctx_host, ctx_state

from lgtm.host import remote
from lgtm.host.operations import NONCE, read_arguments
from lgtm.model.errors import LgtmError
from lgtm.model.hoststate import HostState, parse
from lgtm.model.plan import MARGIN, Plan

RENEWAL = 8  # seconds between two renewals of a lock's lease, which lasts for more than three of them

Step = Generator[FunctionCommand, None, None]


@operation()
def lock(
    who: str,
    plan: Plan | None = None,
    anew: Callable[[HostState], Plan] | None = None,
    told: Callable[[str], None] | None = None,
) -> Step:
    """Take the host's lock, and keep it.

    If the host is no longer as the plan found it, the plan is made anew (`anew`); if other steps come out of that, the
    lock is given back and the operation fails; otherwise `told` is called with the host's name.
    """
    yield FunctionCommand(_lock, [who, plan, anew, told], {})


@dataclass(frozen=True)
class Switch:
    """A switch to a generation that lies on the host. Seconds that activating and verifying it may take."""

    to: str
    activation: int
    verification: int
    action: str = "deploy"
    keep: str = "-"


def announce(switch: Switch) -> None:
    """Let the hosts of this run know, while it is prepared, what each of them will wait for."""
    _switches.append(switch)


@operation()
def activate(switch: Switch, who: str) -> Step:
    """Switch, with a dead-man timer armed: restart and reload what changed, and await it."""
    yield FunctionCommand(_activate, [switch, who], {})


@operation()
def commit(activated: bool, keep: int) -> Step:
    """Stay on the new generation, said over a fresh connection; or go back, if any host of the batch failed."""
    yield FunctionCommand(_commit, [activated, keep], {})


_renewals: dict[str, gevent.Greenlet] = {}
_switches: list[Switch] = []


def _lock(
    who: str, plan: Plan | None, anew: Callable[[HostState], Plan] | None, told: Callable[[str], None] | None
) -> None:
    host = ctx_host.get()
    arguments = (
        [plan.fingerprint, who, remote.script("read"), *read_arguments(plan.generation)] if plan else ["-", who, ""]
    )
    changed = remote.run(host, "lock", arguments, NONCE)
    if changed and plan and anew:
        try:
            _still_right(host, plan, anew(parse(changed)))
            if told:
                told(host.name)
        except LgtmError:
            remote.run(host, "unlock")
            raise
    _renewals[host.name] = gevent.spawn(_renew, host, ctx_state.get().failed_hosts, who)


def _still_right(host: Host, plan: Plan, anew: Plan) -> None:
    """Go on with a plan whose steps are those of the new one; LgtmError otherwise, since somebody has agreed to it."""
    if changes := plan.changes(anew):
        raise LgtmError(
            f"{host.name}: the host has changed since the plan was made, and so has what is to be done there; nothing "
            f"was written, run again:\n" + "\n".join(f"  {change}" for change in changes)
        )


def _renew(host: Host, failed: set[Host], who: str) -> None:
    """Keep the lock for as long as this run has something to do on the host."""
    with suppress(LgtmError):  # somebody has broken it, or the host is gone: what runs next there will say so
        while host not in failed:
            gevent.sleep(RENEWAL)
            remote.run(host, "renew", [who])


def _activate(switch: Switch, who: str) -> None:
    """The window is that of the whole batch: no host commits before all of them are well."""
    window = max(one.activation for one in _switches) + max(one.verification for one in _switches) + MARGIN
    arguments = [switch.to, str(window), who, switch.action, str(switch.activation), switch.keep]
    remote.run(ctx_host.get(), "switch", arguments)


def release(host: Host) -> None:
    """Renew the host's lock no more: what comes next gives it back."""
    if renewal := _renewals.pop(host.name, None):
        renewal.kill()


def _commit(activated: bool, keep: int) -> None:
    host = ctx_host.get()
    release(host)
    failed = sorted(host.name for host in ctx_state.get().failed_hosts)
    if not activated:
        remote.run(host, "unlock")
        return
    if failed:
        remote.run(host, "revert", [f"{', '.join(failed)} failed"])
        raise LgtmError(f"{host.name}: went back, since {', '.join(failed)} failed")
    host.disconnect()
    host.connect(reason="to commit", raise_exceptions=True)
    remote.run(host, "commit", [str(keep)])
