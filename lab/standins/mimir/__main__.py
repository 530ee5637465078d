"""The stand-in's command line: `-config.file=F`, `-modules`, `-version`, with one dash or two, as Mimir's."""

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from . import LABEL
from .config import Config, ConfigError, load
from .front import serve
from .runtime import Runtime
from .store import Store

FLAGS = frozenset(("config.file", "modules", "version"))


def main(words: Sequence[str]) -> int:
    """Do what the flags say; 0 when well, 1 for a bad configuration or dead store, 2 for an unknown flag."""
    given = flags(words)
    if unknown := sorted(set(given) - FLAGS):
        return complain(f"flag provided but not defined: -{', -'.join(unknown)}", 2)
    if "version" in given:
        print(LABEL)
        return 0
    try:
        config = load(Path(given.get("config.file", "")))
        if "modules" in given:
            print(f"{LABEL}: config ok; whether real Mimir knows every key of it, only real Mimir can tell")
            return 0
        return run(config)
    except (ConfigError, OSError) as error:
        return complain(f"error loading config from {given.get('config.file')}: {error}", 1)


def run(config: Config) -> int:
    """Serve until told to stop (0) or until the store dies (1)."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    runtime = Runtime(config)
    store = Store(config)
    try:
        serve(config, store, runtime)
        threading.Thread(target=runtime.follow, args=(stopping,), daemon=True).start()
        print(f"{LABEL} listens on {config.http[0]}:{config.http[1]}", file=sys.stderr, flush=True)
        while not stopping.wait(0.2):
            # Whoever stops the service signals the store as well, perhaps a moment earlier.
            if store.process.poll() is not None and not stopping.wait(1):
                return complain(f"the store died with exit code {store.process.returncode}", 1)
    finally:
        store.stop()
    return 0


def flags(words: Sequence[str]) -> dict[str, str]:
    """Read flags as Go does: `-name=value` or, for the one that takes a value, `-name value`."""
    given: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        name, assigned, value = word.lstrip("-").partition("=")
        given[name] = next(rest, "") if name == "config.file" and not assigned else value
    return given


def complain(sentence: str, code: int) -> int:
    """Say on standard error what is wrong, and give the exit code for it."""
    print(f"{LABEL}: {sentence}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
