"""The stand-in's command line: `-config.file=F`, `-config.verify=true`, `-version`, with one dash or two."""

import sys
from collections.abc import Sequence

from ..common.http import MutePort, serve
from ..common.process import Program, announce, complain, told_to_stop
from . import LABEL
from .config import Config, load
from .front import Front, Questions, Receiver
from .generator import Generator
from .store import Store

VERIFY = "config.verify"


def main(words: Sequence[str]) -> int:
    """Do what the flags say; 0 when well, 1 for a bad configuration or a taken port, 2 for an unknown flag."""
    if bare := [word for word in words if not word.startswith("-")]:
        return complain(LABEL, f"{bare[0]}: Tempo takes no such word, and would ignore all that follows it", 2)
    given = {name: value for name, _, value in (word.lstrip("-").partition("=") for word in words)}
    if given.get(VERIFY, "") not in ("", "true"):
        del given[VERIFY]
    return PROGRAM.main(given)


def run(config: Config) -> int:
    """Serve until told to stop."""
    stopping = told_to_stop()
    store, generator = Store(config), Generator(config)
    fronts = ((config.http, Questions), (config.otlp_http, Receiver))
    ports = [Front(at, kind, config, store, generator) for at, kind in fronts]
    serve(*ports, *(MutePort(at) for at in (config.grpc, config.otlp_grpc)))
    announce(LABEL, config.http)
    generator.follow(stopping)
    return 0


def approve() -> int:
    """Say that the file is well."""
    print(f"{LABEL}: config ok; whether real Tempo knows every key of it, only real Tempo can tell")
    return 0


PROGRAM = Program(LABEL, LABEL, VERIFY, "{file}: {error}", load, approve, run)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
