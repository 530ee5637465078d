"""The real thing underneath: a Prometheus server that takes remote write, on a loopback port of its own."""

import http.client
import re
import subprocess
import sys
import threading
from pathlib import Path

from ..common.config import seconds
from .config import Config

BINARY = Path(__file__).resolve().parents[2] / "prometheus"
FOR_EVER = "100y"
LISTENING = re.compile(r'msg="Listening on" .*address=127\.0\.0\.1:(\d+)')
SAMPLE = re.compile(r"(?m)^(\w+)(?:\{[^}]*\})? (\S+)$")


class Store:
    """A running Prometheus server; its port is known as soon as it says so."""

    def __init__(self, config: Config) -> None:
        self.port: int | None = None
        config.data.mkdir(parents=True, exist_ok=True)
        settings = config.data / "standin.yml"
        settings.write_text(f"storage: {{tsdb: {{out_of_order_time_window: {config.out_of_order}}}}}\n")
        retention = config.retention if seconds(config.retention) else FOR_EVER
        self.process = subprocess.Popen(
            [
                str(BINARY),
                f"--config.file={settings}",
                # One directory per tenant, as Mimir has it; this is the tenant when multitenancy is off.
                f"--storage.tsdb.path={config.data / 'anonymous'}",
                f"--storage.tsdb.retention.time={retention}",
                "--web.listen-address=127.0.0.1:0",
                "--web.enable-remote-write-receiver",
                "--enable-feature=exemplar-storage",
            ],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._relay, daemon=True).start()

    def ready(self) -> bool:
        """Tell whether it answers queries."""
        try:
            return self.get("/-/ready")[0] == 200
        except OSError:
            return False

    def get(self, path: str) -> tuple[int, bytes]:
        """Ask it something; OSError while it does not listen."""
        connection = self.connection()
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def connection(self) -> http.client.HTTPConnection:
        """Give a connection to it; OSError while it does not listen."""
        if self.port is None:
            raise ConnectionRefusedError("the store does not listen yet")
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def totals(self) -> dict[str, float]:
        """Give its own metrics, summed over labels."""
        sums: dict[str, float] = {}
        for name, value in SAMPLE.findall(self.get("/metrics")[1].decode()):
            sums[name] = sums.get(name, 0) + float(value)
        return sums

    def stop(self) -> None:
        """End it in order: what it holds in memory is in its write-ahead log."""
        self.process.terminate()
        self.process.wait()

    def _relay(self) -> None:
        """Pass its log on, and learn its port from it."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            sys.stderr.write(line)
            if found := LISTENING.search(line):
                self.port = int(found[1])
