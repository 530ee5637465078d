"""pyinfra's facts of a host: what it has, and which generations lie on it. One remote command each."""

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

    + arguments: what ``read.sh`` is told, see ``read_arguments``

    The digests of secrets are keyed with what is read from standard input.

    .. code:: python

        host.get_fact(State, arguments=read_arguments(generation), _stdin=RUN.nonce)
    """

    def command(self, arguments: list[str]) -> StringCommand:
        return remote.command("read", arguments)

    def process(self, output: list[str]) -> HostState:
        return hoststate.parse("\n".join(output))


class Generations(FactBase[History]):
    """
    Returns the generations that lie on a host, and the log of what was done there, as ``lgtm.model.history.History``.

    .. code:: python

        host.get_fact(Generations)
    """

    def command(self) -> StringCommand:
        return remote.command("history")

    def process(self, output: list[str]) -> History:
        return past.parse("\n".join(output))


def read_arguments(generation: Generation) -> list[str]:
    """What `read.sh` is told: the generation, its volumes, and the mount points these should lie on."""
    volumes = [(component.user, volume) for component in generation.components for volume in component.volumes]
    mounts = sorted({volume.mount for _, volume in volumes if volume.mount})
    return [generation.id, *(f"{user}:{volume.path}" for user, volume in volumes), "--", *mounts]


def state(host: Host, generation: Generation) -> HostState:
    """Read a host. Raises LgtmError when that fails; pyinfra has said by then what the host answered."""
    arguments = read_arguments(generation)
    found = host.get_fact(State, arguments=arguments, _stdin=f"{RUN.nonce}\n", _timeout=remote.TIMEOUT)
    return _there(host, found, "its state")


def generations(host: Host) -> History:
    """Read the generations that lie on a host. Raises LgtmError like `state`."""
    return _there(host, host.get_fact(Generations, _timeout=remote.TIMEOUT), "the list of its generations")


def _there(host: Host, found: T | None, what: str) -> T:
    if found is None:
        raise LgtmError(f"{host.name}: {what} could not be read, see above; run again")
    return found
