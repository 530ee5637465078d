"""The stand-in's command line: `server`, `cli … admin reset-admin-password --password-from-stdin`, `--version`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from ..common.config import ConfigError
from ..common.http import serve
from ..common.process import announce, complain, told_to_stop
from . import LABEL
from .config import Config, load
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
        return complain(LABEL, str(error), 2)
    try:
        config = load(Path(given["config"]))
        return run(config) if command == "server" else reset(config, sys.stdin.readline().rstrip("\r\n"))
    except (ConfigError, DatabaseError, OSError) as error:
        return complain(LABEL, str(error), 1)


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
        return complain(LABEL, "new password is too short", 1)
    Database(config).change(password)
    print("the administrator's password is changed")
    return 0


def run(config: Config) -> int:
    """Serve until told to stop."""
    stopping = told_to_stop()
    serve(Front(config, Database(config), sources(config.provisioning), Dashboards(config.provisioning)))
    announce(LABEL, config.http)
    stopping.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
