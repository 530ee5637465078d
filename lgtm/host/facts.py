"""pyinfra facts: a host's state, and its stored generations. One remote command each."""

from __future__ import annotations

from typing import TypeVar

from pyinfra.api.command import StringCommand
from pyinfra.api.facts import FactBase
from pyinfra.api.host import Host

from lgtm.host import remote
from lgtm.model import history as past
from lgtm.model import hoststate
from lgtm.model.errors import LgtmError
from lgtm.model.generation import Generation
from lgtm.model.history import History
from lgtm.model.hoststate import HostState
from lgtm.model.run import RUN

T = TypeVar("T")


class State(FactBase[HostState]):
    """
    Returns what a host has of all that a generation needs, as ``lgtm.model.hoststate.HostState``.

    + arguments: those of ``read.sh``, see ``read_arguments``

    The key for the digests of secrets is read from standard input.

    .. code:: python

        host.get_fact(State, arguments=read_arguments(generation), _stdin=remote.HiddenInput(RUN.nonce))
    """

    def command(self, arguments: list[str]) -> StringCommand:
        return remote.command("read", arguments)

    def process(self, output: list[str]) -> HostState:
        return hoststate.parse("\n".join(output))


class Generations(FactBase[History]):
    """
    Returns the generations that are stored on a host, and its log, as ``lgtm.model.history.History``.

    .. code:: python

        host.get_fact(Generations)
    """

    def command(self) -> StringCommand:
        return remote.command("history")

    def process(self, output: list[str]) -> History:
        return past.parse("\n".join(output))


def read_arguments(generation: Generation) -> list[str]:
    """Give the arguments of `read.sh`: the generation's id, `user:path` of its volumes, and their mount points."""
    volumes = [(component.user, volume) for component in generation.components for volume in component.volumes]
    mounts = sorted({volume.mount for _, volume in volumes if volume.mount})
    return [generation.id, *(f"{user}:{volume.path}" for user, volume in volumes), "--", *mounts]


def state(host: Host, generation: Generation) -> HostState:
    """Read a host's state. Raises LgtmError when that fails; why is printed by then."""
    arguments = read_arguments(generation)
    fact = host.get_fact(State, arguments=arguments, _stdin=remote.HiddenInput(RUN.nonce), _timeout=remote.TIMEOUT)
    return _require(host, fact, "its state")


def generations(host: Host) -> History:
    """Read the stored generations of a host. Raises LgtmError when that fails."""
    return _require(host, host.get_fact(Generations, _timeout=remote.TIMEOUT), "the list of its generations")


def _require(host: Host, fact: T | None, what: str) -> T:
    if fact is None:
        raise LgtmError(f"{host.name}: {what} could not be read, see above; nothing was written")
    return fact
