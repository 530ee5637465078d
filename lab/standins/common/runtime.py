"""The runtime file: read again every period; a bad one is reported and the last good one stays in force."""

import sys
import threading
from pathlib import Path

from .config import ConfigError, parse


class Runtime:
    """The runtime file's text in force, and whether the last reading went well."""

    def __init__(self, path: Path | None, period_seconds: float, known: frozenset[str]) -> None:
        self.path, self.period_seconds, self.known = path, period_seconds, known
        self.text = ""
        self.healthy = True
        self.read()  # as in the real ones, the first reading must succeed

    def read(self) -> None:
        """Read the file, if there is to be one; ConfigError if it is not there or not right."""
        if self.path is None:
            return
        try:
            text = self.path.read_text()
        except OSError as error:
            raise ConfigError(f"cannot read runtime file {self.path}: {error.strerror}") from error
        parse(text, self.known)
        self.text = text

    def follow(self, stopping: threading.Event) -> None:
        """Read the file again every period until stopped."""
        while not stopping.wait(max(self.period_seconds, 0.1)):
            try:
                self.read()
                self.healthy = True
            except ConfigError as error:
                self.healthy = False
                print(f"runtime file not reloaded: {error}", file=sys.stderr, flush=True)
