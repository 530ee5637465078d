"""Rollback: how a host is taken back, and the steps between versions after which older ones cannot read the data."""

from __future__ import annotations

from pyinfra.api.command import FunctionCommand
from pyinfra.api.deploy import deploy
from pyinfra.api.operation import operation
from pyinfra.context import ctx_host

from lgtm.host import switching
from lgtm.host.operations import Step
from lgtm.model.run import Switch
from lgtm.report import terminal
from lgtm.task import Barrier

BARRIERS = (
    Barrier("prometheus", "3.0", "what 3.x writes can be read by 2.55 and later only", below="2.55"),
    Barrier("alertmanager", "0.33.0", "0.33.0 writes silences that older versions cannot read", "0.32.3", "0.33.1"),
    Barrier("tempo", "2.0", "versions before 2.0 cannot read its blocks"),
    Barrier("tempo", "3.0", "versions before 3.0 cannot read its blocks"),
    Barrier("mimir", "3.2", "queriers of 3.2 need blocks and peers that 3.1 has been at", through="3.1"),
    Barrier(
        "grafana", "0", "its database is the one that this older version left; what people made since is set aside",
        saved=True,
        aside="what people made since is in /data/grafana/backup/{0}.db: docs/rollback.md says how to get at it",
    ),
)  # fmt: skip


@deploy("Rollback")
def take_back(switch: Switch, who: str, keep: int, notes: list[str]) -> None:
    """
    Switch a host to a generation that is stored there, and stay on it. Nothing is sent or downloaded.

    + switch: the generation, and the seconds that activating it may take
    + who: user and machine, and the message of the run
    + keep: how many good generations stay on the host
    + notes: what is said of data that is set aside

    **Example:**

    .. code:: python

        rollback.take_back(switch=Switch("g0123456789ab", 60, 0, "rollback"), who="anna@laptop", keep=5, notes=[])
    """
    switching.announce(switch)
    switching.lock(who=who, name="Lock")
    switching.activate(switch=switch, who=who, name="Activate")
    switching.commit(activated=True, keep=keep, name="Commit")
    if notes:
        set_aside(notes=notes, name="Set aside")


@operation()
def set_aside(notes: list[str]) -> Step:
    """
    Say what a step back has set aside, and how to get at it.

    + notes: a sentence each

    **Example:**

    .. code:: python

        rollback.set_aside(name="Set aside", notes=["what people made since is in /data/grafana/backup/12.4.0.db"])
    """
    yield FunctionCommand(lambda: terminal.notes(ctx_host.get().name, notes), [], {})
