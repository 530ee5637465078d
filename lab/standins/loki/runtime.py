"""The runtime file: read again every period; a bad one is reported and the last good one stays in force."""

import sys
import threading

from .config import RUNTIME_TOP_LEVEL, Config, ConfigError, parse


class Runtime:
    """The runtime file's text in force, and whether the last reading went well."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.text = ""
        self.healthy = True
        self.read()  # as in Loki, the first reading must succeed

    def read(self) -> None:
        """Read the file, if there is to be one; ConfigError if it is not there or not right."""
        if self.config.runtime_file is None:
            return
        try:
            text = self.config.runtime_file.read_text()
        except OSError as error:
            raise ConfigError(f"cannot read runtime file {self.config.runtime_file}: {error.strerror}") from error
        parse(text, RUNTIME_TOP_LEVEL)
        self.text = text

    def follow(self, stopping: threading.Event) -> None:
        """Read the file again every period until stopped."""
        while not stopping.wait(max(self.config.runtime_period_seconds, 0.1)):
            try:
                self.read()
                self.healthy = True
            except ConfigError as error:
                self.healthy = False
                print(f"runtime file not reloaded: {error}", file=sys.stderr, flush=True)
