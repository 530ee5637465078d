"""The lock and the switch: one run at a time changes a host, and all hosts of a run commit, or none does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import gevent
from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.context import ctx_host, ctx_state

from lgtm.host import remote
from lgtm.host.facts import read_arguments
from lgtm.host.operations import Step
from lgtm.model.errors import LgtmError
from lgtm.model.hoststate import HostState, parse
from lgtm.model.plan import MARGIN, Plan
from lgtm.model.run import RUN, Switch

RENEWAL = 8  # seconds between two renewals of the lock's lease, which lasts more than three of them


@operation()
def lock(
    who: str,
    plan: Plan | None = None,
    replan: Callable[[HostState], Plan] | None = None,
    on_replanned: Callable[[str], None] | None = None,
) -> Step:
    """
    Take the lock of the host, and keep it.

    + who: user and machine, and the message of the run
    + plan: the plan of the run; without one, changes of the host since are not refused
    + replan: makes the plan again if the host has changed since
    + on_replanned: called with the host's name when the new plan has the same steps

    If the new plan has other steps, the lock is released and the operation fails.

    **Example:**

    .. code:: python

        switching.lock(name="Lock", who="anna@laptop", plan=plan, replan=replan)
    """
    yield FunctionCommand(_lock, [who, plan, replan, on_replanned], {})


@operation()
def activate(switch: Switch, who: str, begins: Callable[[], None] | None = None) -> Step:
    """
    Switch to a generation: restart and reload what changed, in order, and wait until each service is ready.

    The host reverts unless ``commit`` follows in time: the dead-man timer is armed before the switch.

    + switch: the generation, and the seconds it may take
    + who: user and machine, and the message of the run
    + begins: called before the switch, to show what is waited for

    **Example:**

    .. code:: python

        switching.activate(name="Activate", switch=switch, who="anna@laptop")
    """
    yield FunctionCommand(_activate, [switch, who, begins], {})


@operation()
def commit(activated: bool, keep: int) -> Step:
    """
    Commit the new generation over a fresh connection; or revert, if any host of the batch failed.

    + activated: whether there was a switch; without one the lock is released
    + keep: how many good generations stay on the host

    **Example:**

    .. code:: python

        switching.commit(name="Commit", activated=True, keep=5)
    """
    yield FunctionCommand(_commit, [activated, keep], {})


def announce(switch: Switch) -> None:
    """Add a switch to the run, whose hosts all have the same window; called while the run is prepared."""
    RUN.switches.append(switch)


def release(host: Host) -> None:
    """Stop renewing the lock of a host: the next script releases it."""
    if lease := RUN.leases.pop(host.name, None):
        lease.kill()


def _lock(
    who: str,
    plan: Plan | None,
    replan: Callable[[HostState], Plan] | None,
    on_replanned: Callable[[str], None] | None,
) -> None:
    host = ctx_host.get()
    arguments = (
        [plan.fingerprint, who, remote.script("read"), *read_arguments(plan.generation)] if plan else ["-", who, ""]
    )
    changed = remote.run(host, "lock", arguments, RUN.nonce)
    if changed and plan and replan:
        try:
            _refuse_other_steps(host, plan, replan(parse(changed)))
            if on_replanned:
                on_replanned(host.name)
        except LgtmError:
            remote.run(host, "unlock")
            raise
    RUN.leases[host.name] = gevent.spawn(_renew, host, ctx_state.get().failed_hosts, who)


def _refuse_other_steps(host: Host, plan: Plan, new: Plan) -> None:
    """Raise LgtmError when the new plan has other steps: the operator has agreed to the old ones."""
    if differences := plan.differences(new):
        raise LgtmError(
            f"{host.name}: the host has changed since the plan was made, and so has the plan; nothing "
            f"was written, run again:\n" + "\n".join(f"  {difference}" for difference in differences)
        )


def _renew(host: Host, failed: set[Host], who: str) -> None:
    """Renew the lock until the run is done with the host."""
    with suppress(LgtmError):  # the lock was broken, or the host is unreachable: the next script reports it
        while host not in failed:
            gevent.sleep(RENEWAL)
            remote.run(host, "renew", [who])


def _activate(switch: Switch, who: str, begins: Callable[[], None] | None) -> None:
    """The window is that of the batch: no host commits before all of them are healthy."""
    window = max(one.activation for one in RUN.switches) + max(one.verification for one in RUN.switches) + MARGIN
    arguments = [switch.to, str(window), who, switch.action, str(switch.activation), switch.keep]
    if begins:
        begins()
    remote.run(ctx_host.get(), "switch", arguments)


def _commit(activated: bool, keep: int) -> None:
    host = ctx_host.get()
    release(host)
    failed = sorted(host.name for host in ctx_state.get().failed_hosts)
    if not activated:
        remote.run(host, "unlock")
        return
    if failed:
        remote.run(host, "revert", [f"{', '.join(failed)} failed"])
        raise LgtmError(f"{host.name}: reverted, because {', '.join(failed)} failed")
    host.disconnect()
    host.connect(reason="to commit", raise_exceptions=True)
    remote.run(host, "commit", [str(keep)])
