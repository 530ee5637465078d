"""The stand-in's command line: `-config.file=F`, `-verify-config`, `-version`, with one dash or two, as Loki's."""

import sys
import threading

from ..common.http import MutePort, serve
from ..common.process import Program, complain, flags, told_to_stop
from ..common.runtime import Runtime
from . import LABEL, VERSION
from .config import RUNTIME_TOP_LEVEL, Config, load
from .front import Front
from .store import Store


def run(config: Config) -> int:
    """Serve until told to stop."""
    stopping = told_to_stop()
    runtime = Runtime(config.runtime_file, config.runtime_period_seconds, RUNTIME_TOP_LEVEL)
    store = Store(config.data, config.retention_seconds)
    serve(Front(config, store, runtime), MutePort(config.grpc))
    threading.Thread(target=runtime.follow, args=(stopping,), daemon=True).start()
    complain(LABEL, f"listens on {config.http[0]}:{config.http[1]}", 0)
    stopping.wait()
    store.close()
    return 0


def approve() -> int:
    """Say that the file is well, where Loki says it."""
    return complain(LABEL, "config is valid; whether real Loki knows every key of it, only real Loki can tell", 0)


SAID = f"loki, version {VERSION}: a stand-in"
PROGRAM = Program(LABEL, SAID, "verify-config", "failed parsing config: {file}: {error}", load, approve, run)

if __name__ == "__main__":
    sys.exit(PROGRAM.main(flags(sys.argv[1:])))
