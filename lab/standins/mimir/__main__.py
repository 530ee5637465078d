"""The stand-in's command line: `-config.file=F`, `-modules`, `-version`, with one dash or two, as Mimir's."""

import sys
import threading

from ..common.http import MutePort, serve
from ..common.process import Program, announce, complain, flags, told_to_stop
from ..common.runtime import Runtime
from . import LABEL
from .config import RUNTIME_TOP_LEVEL, Config, load
from .front import Front
from .store import Store


def run(config: Config) -> int:
    """Serve until told to stop (0) or until the store dies (1)."""
    stopping = told_to_stop()
    runtime = Runtime(config.runtime_file, config.runtime_period_seconds, RUNTIME_TOP_LEVEL)
    store = Store(config)
    try:
        serve(Front(config, store, runtime), MutePort(config.grpc), *map(MutePort, config.memberlist))
        threading.Thread(target=runtime.follow, args=(stopping,), daemon=True).start()
        announce(LABEL, config.http)
        while not stopping.wait(0.2):
            # Whoever stops the service signals the store as well, perhaps a moment earlier.
            if store.process.poll() is not None and not stopping.wait(1):
                return complain(LABEL, f"the store died with exit code {store.process.returncode}", 1)
    finally:
        store.stop()
    return 0


def approve() -> int:
    """Say that the file is well."""
    print(f"{LABEL}: config ok; whether real Mimir knows every key of it, only real Mimir can tell")
    return 0


PROGRAM = Program(LABEL, LABEL, "modules", "error loading config from {file}: {error}", load, approve, run)

if __name__ == "__main__":
    sys.exit(PROGRAM.main(flags(sys.argv[1:])))
