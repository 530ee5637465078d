"""The lock and the switch: who may change a host, and how all hosts of a run stay on a new generation, or none does."""

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

RENEWAL = 8  # seconds between two renewals of a lock's lease, which lasts for more than three of them


@operation()
def lock(
    who: str,
    plan: Plan | None = None,
    anew: Callable[[HostState], Plan] | None = None,
    planned_anew: Callable[[str], None] | None = None,
) -> Step:
    """
    Take the lock of the host, and keep it.

    + who: user and machine, and the message of the run
    + plan: what is to be done; none: the host may be as it likes
    + anew: makes the plan again, where the host is no longer as the plan found it
    + planned_anew: called with the host's name when the new plan has the same steps

    If the new plan has other steps, the lock is given back and the operation fails.

    **Example:**

    .. code:: python

        switching.lock(name="Lock", who="anna@laptop", plan=plan, anew=anew)
    """
    yield FunctionCommand(_lock, [who, plan, anew, planned_anew], {})


@operation()
def activate(switch: Switch, who: str, begins: Callable[[], None] | None = None) -> Step:
    """
    Switch to a generation: restart and reload what changed, in order, and wait until each service is ready.

    The host goes back by itself unless ``commit`` follows in time: a dead-man timer is armed before anything moves.

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
    Stay on the new generation, said over a fresh connection; or go back, if any host of the batch failed.

    + activated: whether there was a switch; without one the lock is given back
    + keep: how many good generations stay on the host

    **Example:**

    .. code:: python

        switching.commit(name="Commit", activated=True, keep=5)
    """
    yield FunctionCommand(_commit, [activated, keep], {})


def announce(switch: Switch) -> None:
    """Let the hosts of this run know, while it is prepared, what each of them will wait for."""
    RUN.switches.append(switch)


def release(host: Host) -> None:
    """Renew the lock of a host no more: what comes next gives it back."""
    if lease := RUN.leases.pop(host.name, None):
        lease.kill()


def _lock(
    who: str,
    plan: Plan | None,
    anew: Callable[[HostState], Plan] | None,
    planned_anew: Callable[[str], None] | None,
) -> None:
    host = ctx_host.get()
    arguments = (
        [plan.fingerprint, who, remote.script("read"), *read_arguments(plan.generation)] if plan else ["-", who, ""]
    )
    changed = remote.run(host, "lock", arguments, RUN.nonce)
    if changed and plan and anew:
        try:
            _refuse_other_steps(host, plan, anew(parse(changed)))
            if planned_anew:
                planned_anew(host.name)
        except LgtmError:
            remote.run(host, "unlock")
            raise
    RUN.leases[host.name] = gevent.spawn(_renew, host, ctx_state.get().failed_hosts, who)


def _refuse_other_steps(host: Host, plan: Plan, anew: Plan) -> None:
    """Raise LgtmError for a plan whose steps are not those of the new one: somebody has agreed to the old ones."""
    if differences := plan.differences(anew):
        raise LgtmError(
            f"{host.name}: the host has changed since the plan was made, and so has what is to be done there; nothing "
            f"was written, run again:\n" + "\n".join(f"  {difference}" for difference in differences)
        )


def _renew(host: Host, failed: set[Host], who: str) -> None:
    """Keep the lock for as long as this run has something to do on the host."""
    with suppress(LgtmError):  # somebody has broken it, or the host is gone: what runs next there will say so
        while host not in failed:
            gevent.sleep(RENEWAL)
            remote.run(host, "renew", [who])


def _activate(switch: Switch, who: str, begins: Callable[[], None] | None) -> None:
    """The window is that of the whole batch: no host commits before all of them are healthy."""
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
        raise LgtmError(f"{host.name}: went back, since {', '.join(failed)} failed")
    host.disconnect()
    host.connect(reason="to commit", raise_exceptions=True)
    remote.run(host, "commit", [str(keep)])
