"""The process: its command line, what it says on standard error, and how it is told to stop."""

import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from .config import ConfigError
from .http import Address

C = TypeVar("C")


@dataclass(frozen=True)
class Program(Generic[C]):
    """A program with Go's flags: `-config.file=F`, one that only has the file validated, and `-version`."""

    label: str
    version: str  # what it says of its version
    verify: str  # the flag for validating
    bad: str  # what it says of a bad file, with {file} and {error}
    load: Callable[[Path], C]  # ConfigError for a bad file
    approve: Callable[[], int]  # says that the file is well
    run: Callable[[C], int]  # serves until told to stop

    def main(self, given: Mapping[str, str]) -> int:
        """Do what the flags say; 0 when well, 1 for a bad configuration or a taken port, 2 for an unknown flag."""
        if unknown := sorted(set(given) - {"config.file", self.verify, "version"}):
            return complain(self.label, f"flag provided but not defined: -{', -'.join(unknown)}", 2)
        if "version" in given:
            print(self.version)
            return 0
        try:
            config = self.load(Path(given.get("config.file", "")))
            return self.approve() if self.verify in given else self.run(config)
        except (ConfigError, OSError) as error:
            return complain(self.label, self.bad.format(file=given.get("config.file"), error=error), 1)


def flags(words: Sequence[str]) -> dict[str, str]:
    """Read flags as Go does: `-name=value` or, for the one that takes a value, `-name value`."""
    given: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        name, assigned, value = word.lstrip("-").partition("=")
        given[name] = next(rest, "") if name == "config.file" and not assigned else value
    return given


def told_to_stop() -> threading.Event:
    """Give an event that is set when the process is told to stop."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def announce(label: str, address: Address) -> None:
    """Say on standard error where it listens."""
    print(f"{label} listens on {address[0]}:{address[1]}", file=sys.stderr, flush=True)


def complain(label: str, sentence: str, code: int) -> int:
    """Say something on standard error, and give the exit code for it."""
    print(f"{label}: {sentence}", file=sys.stderr, flush=True)
    return code
