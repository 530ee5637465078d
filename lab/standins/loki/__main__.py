"""The stand-in's command line: `-config.file=F`, `-verify-config`, `-version`, with one dash or two, as Loki's."""

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from . import LABEL, VERSION
from .config import Config, ConfigError, load
from .front import serve
from .runtime import Runtime
from .store import Store

FLAGS = frozenset(("config.file", "verify-config", "version"))


def main(words: Sequence[str]) -> int:
    """Do what the flags say; 0 when well, 1 for a bad configuration, 2 for an unknown flag."""
    given = flags(words)
    if unknown := sorted(set(given) - FLAGS):
        return complain(f"flag provided but not defined: -{', -'.join(unknown)}", 2)
    if "version" in given:
        print(f"loki, version {VERSION}: a stand-in")
        return 0
    try:
        config = load(Path(given.get("config.file", "")))
        if "verify-config" in given:
            return complain("config is valid; whether real Loki knows every key of it, only real Loki can tell", 0)
        return run(config)
    except (ConfigError, OSError) as error:
        return complain(f"failed parsing config: {given.get('config.file')}: {error}", 1)


def run(config: Config) -> int:
    """Serve until told to stop."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    runtime = Runtime(config)
    store = Store(config.data, config.retention_seconds)
    serve(config, store, runtime)
    threading.Thread(target=runtime.follow, args=(stopping,), daemon=True).start()
    complain(f"listens on {config.http[0]}:{config.http[1]}", 0)
    stopping.wait()
    store.close()
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
    """Say something on standard error, and give the exit code for it."""
    print(f"{LABEL}: {sentence}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
