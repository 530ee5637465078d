"""The stand-in's command line: `server`, `cli … admin reset-admin-password --password-from-stdin`, `--version`."""

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from . import LABEL
from .config import Config, ConfigError, load
from .database import Database, DatabaseError
from .front import Front
from .provisioning import Dashboards, sources

WORDS = {"server": [], "cli": ["admin", "reset-admin-password", "--password-from-stdin"]}  # command → what it wants


def main(words: Sequence[str]) -> int:
    """Do what the words say; 0 when well, 1 for a bad configuration, database or port, 2 for unknown words."""
    if list(words) in (["--version"], ["-v"]):
        print(LABEL)
        return 0
    try:
        command, given = understood(words)
    except ValueError as error:
        return complain(str(error), 2)
    try:
        config = load(Path(given["config"]))
        return serve(config) if command == "server" else reset(config, sys.stdin.readline().rstrip("\r\n"))
    except (ConfigError, DatabaseError, OSError) as error:
        return complain(str(error), 1)


def understood(words: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Command and flags; ValueError for anything that the stand-in does not do."""
    command, given, rest = (words[0] if words else ""), dict[str, str](), list[str]()
    left = iter(words[1:])
    for word in left:
        name, assigned, value = word.removeprefix("-").removeprefix("-").partition("=")
        if word.startswith("-") and name in ("homepath", "config"):
            given[name] = value if assigned else next(left, "")
        else:
            rest.append(word)
    if WORDS.get(command) != rest or given.keys() != {"homepath", "config"}:
        known = " or ".join(" ".join((name, "--homepath H --config F", *more)) for name, more in WORDS.items())
        raise ValueError(f"the stand-in knows {known}, and no other words")
    return command, given


def reset(config: Config, password: str) -> int:
    """Give the administrator another password."""
    if len(password) <= 4:
        return complain("new password is too short", 1)
    Database(config).change(password)
    print("the administrator's password is changed")
    return 0


def serve(config: Config) -> int:
    """Serve until told to stop."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    front = Front(config, Database(config), sources(config.provisioning), Dashboards(config.provisioning))
    threading.Thread(target=front.serve_forever, daemon=True).start()
    print(f"{LABEL} listens on {config.http[0]}:{config.http[1]}", file=sys.stderr, flush=True)
    stopping.wait()
    return 0


def complain(sentence: str, code: int) -> int:
    """Say on standard error what is wrong, and give the exit code for it."""
    print(f"{LABEL}: {sentence}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
