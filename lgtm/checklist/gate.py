"""The gate of a deploy: the health checks that must pass before a switch is committed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from pyinfra.api.command import FunctionCommand
from pyinfra.api.operation import operation
from pyinfra.context import ctx_host

from lgtm.checklist import people
from lgtm.host import asking, remote
from lgtm.host.operations import Step
from lgtm.load.declaration import mark_stand_ins
from lgtm.model.checks import Check
from lgtm.model.declaration import Declaration
from lgtm.model.errors import LgtmError
from lgtm.model.made import SETTLES, Made
from lgtm.report import terminal


@dataclass
class DeployGate:
    """The checks of one host after the switch, and what failed before it."""

    declaration: Declaration
    counted: list[tuple[str, Made]]  # what people make with services that will be restarted
    kept: list[tuple[str, Check]]  # that all of it is there afterwards
    failed_before: set[str] = field(default_factory=set)  # ids of checks

    @property
    def checks(self) -> list[tuple[str, Check]]:
        return [(service, check) for service, check in self.declaration.checks if not check.slow]

    @property
    def patience(self) -> int:
        """Seconds that verifying may take."""
        longest = max((check.patience for _, check in self.checks if check.gate != "world"), default=0)
        return max(longest, SETTLES if self.counted or self.kept else 0)


@operation()
def count(gate: DeployGate) -> Step:
    """
    List what people made with the services that will be restarted, so that ``verify`` can ask for all of it.

    + gate: what this host must answer

    **Example:**

    .. code:: python

        gate.count(name="Count what people made", gate=gate)
    """
    yield FunctionCommand(lambda: gate.kept.extend(people.count(ctx_host.get(), gate.counted)), [], {})


@operation()
def health_before(gate: DeployGate) -> Step:
    """
    Ask the checks before the switch: what fails already does not take a deploy back.

    + gate: what this host must answer

    **Example:**

    .. code:: python

        gate.health_before(name="Health before", gate=gate)
    """
    yield FunctionCommand(_health_before, [gate], {})


@operation()
def verify(gate: DeployGate) -> Step:
    """
    Ask the checks after the switch, and take the host back if one fails that did not fail before.

    + gate: what this host must answer

    **Example:**

    .. code:: python

        gate.verify(name="Verify", gate=gate)
    """
    yield FunctionCommand(_verify, [gate], {})


def _health_before(gate: DeployGate) -> None:
    results = asking.ask(ctx_host.get(), gate.checks)
    gate.failed_before.update(result.check.id for result in results if not result.ok)


def _verify(gate: DeployGate) -> None:
    """Checks that failed before are asked once, and ignored; all others have their patience."""
    host, checks = ctx_host.get(), [*gate.checks, *gate.kept]
    fresh = [one for one in checks if one[1].id not in gate.failed_before]
    old = [one for one in checks if one[1].id in gate.failed_before]
    ignored = [replace(result, before=True) for result in asking.ask(host, old)]
    awaited = asking.await_all(host, fresh, progress=lambda ids: terminal.waiting(host.name, ids))
    results = mark_stand_ins(gate.declaration.site, [*awaited, *ignored], {})
    failed = [result for result in results if result.verdict == "failed"]
    if failed or any(result.before and not result.ok for result in results):
        terminal.checks(results)
    if failed:
        sentences = "; ".join(f"{result.check.title}: {result.found}" for result in failed)
        remote.run(host, "revert", [f"verification failed: {failed[0].check.id}"])
        raise LgtmError(f"{host.name}: reverted to the previous generation: {sentences}")
