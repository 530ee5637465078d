"""The stand-in's command line: `run`, `validate`, `fmt`, `--version`, with Alloy's flags."""

import hashlib
import signal
import sys
import time
from pathlib import Path

from ..common.config import ConfigError
from ..common.http import HttpPort, Quiet, Texts, serve
from ..common.process import told_to_stop
from . import LABEL, VERSION
from .config import load
from .shipping import Shipper

FLAGS = {
    "run": {"server.http.listen-addr", "storage.path", "disable-reporting", "stability.level"},
    "validate": {"stability.level"},
    "fmt": set[str](),
}


class Front(HttpPort):
    """The HTTP port, and what it tells of."""

    request_queue_size = 5  # few ask, so that the usual is enough

    def __init__(self, address: str, shipper: Shipper, path: Path) -> None:
        host, _, port = address.rpartition(":")
        super().__init__((host, int(port)), Handler)
        self.shipper, self.path = shipper, path
        self.loaded, self.stamp = True, time.time()

    def reload(self) -> str:
        """Read the file again; give what is wrong with it, and keep the old one then."""
        try:
            self.shipper.config = load(self.path)
        except (ConfigError, OSError) as error:
            self.loaded = False
            return str(error)
        self.loaded, self.stamp = True, time.time()
        return ""

    def metrics(self) -> str:
        """Show its counts under Alloy's names."""
        counts, config = self.shipper.counts, self.shipper.config
        health = "healthy" if self.shipper.healthy else "unhealthy"
        lines = {
            f'alloy_build_info{{version="{VERSION}"}}': 1,
            f'alloy_config_hash{{sha256="{hashlib.sha256(config.text.encode()).hexdigest()}"}}': 1,
            "alloy_config_last_load_successful": int(self.loaded),
            "alloy_config_last_load_success_timestamp_seconds": self.stamp,
            f'alloy_component_controller_running_components{{health_type="{health}"}}': config.components,
            "loki_source_journal_target_lines_total": counts["read"],
            "loki_write_sent_entries_total": counts["sent"],
            'loki_write_dropped_entries_total{reason="ingester_error"}': counts["dropped"],
            "loki_write_batch_retries_total": counts["retries"],
        }
        return "\n".join(f"{series} {value}" for series, value in lines.items())


class Handler(Quiet, Texts):
    """Answers under Alloy's paths."""

    server: Front
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        if self.path == "/-/reload":
            wrong = self.server.reload()
            self.answer(400 if wrong else 200, wrong or "config reloaded")
        else:
            pages = {"/-/ready": "Alloy is ready.", "/metrics": self.server.metrics(), "/": LABEL}
            self.answer(200 if self.path in pages else 404, pages.get(self.path, "404 page not found"))

    do_POST = do_GET

    def sized(self, status: int) -> bool:
        """Tell whether a response says how long it is: none, its end is the connection's."""
        return False


def main(words: list[str]) -> int:
    """Do what the command says; 0 when well, 1 for anything else, as Alloy does."""
    if words == ["--version"]:
        print(LABEL)
        return 0
    command, given = words[0] if words else "", [word for word in words[1:] if word.startswith("--")]
    paths = [word for word in words[1:] if word not in given]
    flags = {name: value for name, _, value in (word[2:].partition("=") for word in given)}
    if command not in FLAGS or len(paths) != 1:
        return complain("one of the commands run, validate, fmt is needed, and one file")
    if unknown := sorted(flags.keys() - FLAGS[command]):
        return complain(f"unknown flag: --{unknown[0]}")
    try:
        config = load(Path(paths[0]))
        if command != "run":
            print(config.text if command == "fmt" else f"{LABEL}: config ok; only real Alloy knows the rest", end="")
            return 0
        place = Path(flags["storage.path"]) / "cursor"
        return run(Front(flags["server.http.listen-addr"], Shipper(config, place), Path(paths[0])))
    except (ConfigError, OSError) as error:
        return complain(f"{paths[0]}: {error}")


def run(front: Front) -> int:
    """Serve until told to stop."""
    stopping = told_to_stop()
    signal.signal(signal.SIGHUP, lambda *_: front.reload())
    serve(front)
    front.shipper.start()
    print(f"{LABEL} listens on {front.server_address}", file=sys.stderr, flush=True)
    while not stopping.wait(0.2):
        pass
    front.shipper.stop()
    return 0


def complain(sentence: str) -> int:
    """Say on standard error what is wrong, and give the exit code for it."""
    print(f"Error: {sentence} ({LABEL})", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
