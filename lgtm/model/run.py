"""The state of one run: what was asked for, what was found so far, what it ends with. One object, and nowhere else."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from lgtm.model.checks import Result
from lgtm.model.declaration import Declaration
from lgtm.model.errors import Exit
from lgtm.model.record import Record
from lgtm.model.running import Running

SEVERITY = (Exit.OK, Exit.PENDING, Exit.REFUSED, Exit.LOCKED, Exit.FAILED, Exit.USAGE, Exit.INTERRUPTED)


@dataclass(frozen=True)
class Options:
    """What was said on pyinfra's command line, apart from `--data`."""

    inventory: str = ""  # the path, as it was typed
    script: str = ""  # such as `deploy.py`
    dry: bool = False
    diff: bool = False
    offline: bool = False  # no host and no server is asked: pins say what would run, and secrets may be masks


@dataclass(frozen=True)
class Switch:
    """A switch to a generation that lies on the host. Seconds that activating and verifying it may take."""

    to: str
    activation: int
    verification: int
    action: str = "deploy"
    keep: str = "-"


class Lease(Protocol):
    """What renews the lock of a host in the background."""

    def kill(self) -> None: ...


@dataclass
class Run:
    """One run of pyinfra; host by host where a mapping says so."""

    options: Options | None = None  # None until config.py was read
    nonce: str = field(default_factory=lambda: secrets.token_hex(16))  # makes digests of secrets useless to others
    record: Record = field(default_factory=Record)
    declarations: dict[str, Declaration] = field(default_factory=dict)
    runs: dict[str, Mapping[str, Running]] = field(default_factory=dict)  # of the hosts that were read
    results: dict[str, list[Result]] = field(default_factory=dict)  # of the hosts that were asked
    switches: list[Switch] = field(default_factory=list)  # of all hosts, whose windows are the same
    leases: dict[str, Lease] = field(default_factory=dict)
    failures: dict[str, Exit] = field(default_factory=dict)  # of the operation that runs now
    accounted: set[str] = field(default_factory=set)  # failed hosts whose exit code is among `exits`
    exits: list[Exit] = field(default_factory=list)

    def ends_with(self, code: Exit) -> None:
        """Add an exit code; a milder one never hides a worse one."""
        self.exits.append(code)

    @property
    def exit_code(self) -> Exit:
        """The worst exit code so far; OK when there is none."""
        return max(self.exits, key=SEVERITY.index, default=Exit.OK)


RUN = Run()
