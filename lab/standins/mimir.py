"""A STAND-IN for Grafana Mimir 2.11: not Mimir, but it stores what Prometheus sends and answers queries.

It reads Mimir's own configuration file, listens on the same ports and keeps its data in the same directory. The work is
done by a real Prometheus server with its remote-write receiver, which this program starts, hides behind Mimir's paths,
and stops. It has no tenants, limits, rings, compaction or object storage.
"""

import re
import subprocess
import sys
import threading
from pathlib import Path

from . import common
from .common import Config, MutePort, Reply, Request, Runtime

VERSION = "2.11.0+standin"
LABEL = f"Mimir stand-in, version {VERSION}"
BINARY = Path(__file__).resolve().parents[1] / "prometheus"
LISTENING = re.compile(r'msg="Listening on" .*address=127\.0\.0\.1:(\d+)')
PUSH, QUERY, OWN = "/api/v1/push", "/prometheus/api/v1/", "/api/v1/"
# What Prometheus needs to know of a request; everything else is between the client and us.
FORWARDED = ("Content-Type", "Content-Encoding", "Accept", "X-Prometheus-Remote-Write-Version")
SHOWN = {  # Prometheus' name of a metric → Mimir's
    "prometheus_tsdb_head_samples_appended_total": "cortex_distributor_received_samples_total",
    "prometheus_tsdb_head_series": "cortex_ingester_memory_series",
}


class Store:
    """A running Prometheus server on a port of its own choice, which its log names."""

    def __init__(self, config: Config) -> None:
        self.port: int | None = None
        data = Path(config.get("blocks_storage.tsdb.dir"))
        data.mkdir(parents=True, exist_ok=True)
        settings, window = data / "standin.yml", config.get("limits.out_of_order_time_window", "0s")
        settings.write_text(f"storage: {{tsdb: {{out_of_order_time_window: {window}}}}}\n")
        command = [
            str(BINARY),
            f"--config.file={settings}",
            f"--storage.tsdb.path={data / 'anonymous'}",  # Mimir's tenant where there are no others
            f"--storage.tsdb.retention.time={config.get('limits.compactor_blocks_retention_period', '100y')}",
            "--web.listen-address=127.0.0.1:0",
            "--web.enable-remote-write-receiver",
            "--enable-feature=exemplar-storage",
        ]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self.relay, daemon=True).start()

    def relay(self) -> None:
        """Pass its log on, and read its port from it."""
        for line in self.process.stderr or ():
            sys.stderr.write(line)
            if found := LISTENING.search(line):
                self.port = int(found[1])

    def ask(self, path: str, request: Request | None = None) -> Reply:
        """Hand a request to it, and return its answer; 503 while it does not listen."""
        if self.port is None:
            return common.text("the store does not listen yet", 503)
        headers = {name: request.headers[name] for name in FORWARDED if name in request.headers} if request else {}
        body, method = (request.body or None, request.method) if request else (None, "GET")
        answer = common.fetch(f"http://127.0.0.1:{self.port}{path}", body, headers, method)
        # The receiver says 204 for a successful push, Mimir 200.
        return answer._replace(status={0: 503, 204: 200}.get(answer.status, answer.status))

    def totals(self) -> dict[str, float]:
        """Return its counts under Mimir's names."""
        samples = re.findall(r"(?m)^(\w+)(?:\{[^}]*\})? (\S+)$", self.ask("/metrics").content.decode())
        return {SHOWN[name]: float(value) for name, value in samples if name in SHOWN}


def run(config: Config) -> int:
    """Serve until told to stop (0) or until the store dies (1)."""
    stopping, runtime, store = common.stopped(), Runtime(config), Store(config)

    def answer(request: Request) -> Reply:
        path = request.path
        if path == PUSH:
            return store.ask("/api/v1/write", request)
        if path.startswith(QUERY):
            return store.ask(OWN + request.target.removeprefix(QUERY), request)
        if path == "/ready":
            return common.text("ready") if store.ask("/-/ready").status == 200 else common.text("not ready", 503)
        if path == "/metrics":
            own = {f'cortex_build_info{{version="{VERSION}"}}': 1.0}
            return common.metrics(own | store.totals() | runtime.metrics("cortex", "mimir-runtime-config"))
        pages = {"/": LABEL, "/config": config.text}
        return common.text(pages[path]) if path in pages else common.NOT_FOUND

    gossip = [(str(host), int(config.get("memberlist.bind_port"))) for host in config.get("memberlist.bind_addr", ())]
    ports = [MutePort(one) for one in (config.address("grpc"), *gossip)]
    try:
        common.serve(common.Server(config.address("http"), answer), *ports)
        while not stopping.wait(0.2):
            # Stopping the service signals the store as well, perhaps a moment earlier.
            if store.process.poll() is not None and not stopping.wait(1):
                return common.complain(f"{LABEL}: the store died with exit code {store.process.returncode}", 1)
    finally:
        store.process.terminate()
        store.process.wait()  # what it holds in memory is in its write-ahead log
    return 0


if __name__ == "__main__":
    sys.exit(common.main(LABEL, "modules", run))
