"""The stand-in's command line: `-config.file=F`, `-config.verify=true`, `-version`, with one dash or two."""

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from . import LABEL
from .config import Config, ConfigError, load
from .front import serve
from .generator import Generator
from .store import Store

FLAGS = frozenset(("config.file", "config.verify", "version"))


def main(words: Sequence[str]) -> int:
    """Do what the flags say; 0 when well, 1 for a bad configuration or a taken port, 2 for an unknown flag."""
    if bare := [word for word in words if not word.startswith("-")]:
        return complain(f"{bare[0]}: Tempo takes no such word, and would ignore all that follows it", 2)
    given = {name: value for name, _, value in (word.lstrip("-").partition("=") for word in words)}
    if unknown := sorted(set(given) - FLAGS):
        return complain(f"flag provided but not defined: -{', -'.join(unknown)}", 2)
    if "version" in given:
        print(LABEL)
        return 0
    try:
        config = load(Path(given.get("config.file", "")))
        if given.get("config.verify", "false") in ("", "true"):
            print(f"{LABEL}: config ok; whether real Tempo knows every key of it, only real Tempo can tell")
            return 0
        return run(config)
    except (ConfigError, OSError) as error:
        return complain(f"{given.get('config.file')}: {error}", 1)


def run(config: Config) -> int:
    """Serve until told to stop."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    store, generator = Store(config), Generator(config)
    serve(config, store, generator)
    print(f"{LABEL} listens on {config.http[0]}:{config.http[1]}", file=sys.stderr, flush=True)
    generator.follow(stopping)
    return 0


def complain(sentence: str, code: int) -> int:
    """Say on standard error what is wrong, and give the exit code for it."""
    print(f"{LABEL}: {sentence}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
