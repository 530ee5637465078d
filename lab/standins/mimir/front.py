"""Mimir's paths in front of the store."""

import hashlib

from ..common.http import HttpPort, Texts
from ..common.runtime import Runtime
from . import LABEL, VERSION
from .config import Config
from .store import Store

PUSH, QUERY = "/api/v1/push", "/prometheus/api/v1/"
# What the store needs to know of a request; everything else is between the client and us.
FORWARDED = ("Content-Type", "Content-Encoding", "Accept", "X-Prometheus-Remote-Write-Version")


class Front(HttpPort):
    """The HTTP port."""

    def __init__(self, config: Config, store: Store, runtime: Runtime) -> None:
        super().__init__(config.http, Handler)
        self.config, self.store, self.runtime = config, store, runtime


class Handler(Texts):
    """Answers under Mimir's paths."""

    server: Front
    server_version = f"Mimir-stand-in/{VERSION}"

    def do_GET(self) -> None:
        pages = {"/ready": self.ready, "/metrics": self.metrics, "/config": self.config}
        pages |= {"/runtime_config": self.runtime, "/": self.label, "/api/v1/status/buildinfo": self.label}
        if self.path.startswith(QUERY):
            self.forward("/api/v1/" + self.path.removeprefix(QUERY))
        elif page := pages.get(self.path.partition("?")[0]):
            page()
        else:
            self.answer(404, "404 page not found")

    def do_POST(self) -> None:
        if self.path == PUSH:
            self.forward("/api/v1/write")
        elif self.path.startswith(QUERY):
            self.forward("/api/v1/" + self.path.removeprefix(QUERY))
        else:
            self.answer(404, "404 page not found")

    def ready(self) -> None:
        """Say `ready` once the store answers queries."""
        self.answer(200, "ready") if self.server.store.ready() else self.answer(503, "the store is not ready")

    def config(self) -> None:
        """Show the configuration in force."""
        self.answer(200, self.server.config.text)

    def runtime(self) -> None:
        """Show the runtime file in force."""
        self.answer(200, self.server.runtime.text)

    def label(self) -> None:
        """Say what this is."""
        self.answer(200, LABEL)

    def metrics(self) -> None:
        """Show the store's own counts under Mimir's names."""
        try:
            totals = self.server.store.totals()
        except OSError:
            totals = {}
        digest = hashlib.sha256(self.server.runtime.text.encode()).hexdigest()
        lines = {
            f'cortex_build_info{{version="{VERSION}"}}': 1.0,
            "cortex_distributor_received_samples_total": totals.get("prometheus_tsdb_head_samples_appended_total", 0),
            "cortex_ingester_memory_series": totals.get("prometheus_tsdb_head_series", 0),
            "cortex_runtime_config_last_reload_successful": float(self.server.runtime.healthy),
            f'cortex_runtime_config_hash{{config="mimir-runtime-config",sha256="{digest}"}}': 1.0,
        }
        self.answer(200, "\n".join(f"{series} {value:.17g}" for series, value in lines.items()))

    def forward(self, path: str) -> None:
        """Hand the request to the store and its answer back."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name in FORWARDED if (value := self.headers.get(name))}
        try:
            connection = self.server.store.connection()
            connection.request(self.command, path, body, headers)
            response = connection.getresponse()
            content = response.read()
            connection.close()
        except OSError as error:
            self.answer(503, f"the store does not answer: {error}")
            return
        # The receiver says 204 for a successful push, Mimir 200.
        status = 200 if response.status == 204 else response.status
        self.send(status, content, response.headers.get("Content-Type", "text/plain"))
