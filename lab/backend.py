"""A fake GatewayZ backend: production and staging, each on a port of its own, with scenarios to switch.

    GET  /health, /metrics, /prometheus/data/metrics, /scenario
    POST /scenario?name=all_errors

Staging wants `Authorization: Bearer <token>` for its metrics, and says 401 without. With `--telemetry ADDRESS`, a
few requests a second are sent to the Loki and the Tempo of a host as well, and exemplars name their traces.
"""

import argparse
import hmac
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from urllib.parse import parse_qs, urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from .contract import BACKEND_PORTS, STAGING_TOKEN
from .exposition import data_registry, process_registry
from .sample import Sampler
from .scenarios import BACKEND, Answers
from .telemetry import Telemetry, at
from .traffic import Example, Traffic

SCALE = {"production": 1.0, "staging": 0.5}
SENDING_SECONDS, SENT_AT_ONCE_SECONDS = 1.0, 60.0


class Backend(ThreadingHTTPServer):
    """The backend of one environment. Without a token it requires no login."""

    daemon_threads = True
    request_queue_size = 64
    # HTTPServer's own version asks DNS for the address's name, and the lab has no DNS.
    server_bind = TCPServer.server_bind

    def __init__(self, address: tuple[str, int], token: str | None = None, scale: float = 1.0) -> None:
        super().__init__(address, Handler)
        self.token = token
        self.traffic = Traffic(scale)
        self.scenario = "healthy"
        self.lock = threading.Lock()  # scrapes come in threads, and both advance the traffic
        self.registries = {
            "/metrics": process_registry(self.traffic),
            "/prometheus/data/metrics": data_registry(self.traffic),
        }

    def switch(self, name: str) -> None:
        """Switch to another scenario. KeyError for an unknown name."""
        with self.lock:
            self.traffic.switch(BACKEND[name])
            self.scenario = name

    def exposition(self, registry: CollectorRegistry, accepts: str) -> tuple[bytes, str]:
        """Render a registry in the best format that the scraper accepts, and name that format."""
        encode, kind = choose_encoder(accepts)
        with self.lock:
            return encode(registry), kind

    def send(self, telemetry: Telemetry, seconds: float) -> None:
        """Send the requests of the last seconds; those whose traces are stored become exemplars."""
        stored = telemetry.send(BACKEND[self.scenario], seconds, time.time())
        with self.lock:
            for request in stored:
                for series, observed in request.observations():
                    self.traffic.examples[series] = Example(request.trace, observed, request.end)

    def keep_sending(self, telemetry: Telemetry) -> None:
        """Send for ever."""
        last = time.monotonic()
        while True:
            time.sleep(SENDING_SECONDS)
            now = time.monotonic()
            self.send(telemetry, min(now - last, SENT_AT_ONCE_SECONDS))
            last = now


class Handler(BaseHTTPRequestHandler):
    """Answers as the scenario says."""

    server: Backend
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        answers = BACKEND[self.server.scenario].answers
        if path == "/scenario":
            self.answer(200, self.server.scenario)
        elif answers is Answers.NOT_AT_ALL:
            self.close_connection = True
        elif path == "/health":
            self.answer(200, '{"status": "healthy"}', "application/json")
        elif path not in self.server.registries:
            self.answer(404, "no such page")
        elif answers is Answers.UNAUTHORIZED or not self.authorized():
            self.answer(401, "a bearer token is needed")
        else:
            registry = self.server.registries[path]
            self.answer(200, *self.server.exposition(registry, self.headers.get("Accept", "")))

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        name = parse_qs(url.query).get("name", [""])[0]
        if url.path != "/scenario":
            self.answer(404, "no such page")
        elif name not in BACKEND:
            self.answer(400, f"no scenario {name!r}; there are {', '.join(BACKEND)}")
        else:
            self.server.switch(name)
            self.answer(200, name)

    def authorized(self) -> bool:
        """Return whether the request carries the token, if one is required."""
        if self.server.token is None:
            return True
        given = self.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {self.server.token}".encode())

    def answer(self, status: int, body: str | bytes, kind: str = "text/plain") -> None:
        """Send a whole response."""
        content = body.encode() + b"\n" if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        self.end_headers()
        self.wfile.write(content)


def main() -> None:
    """Serve both environments on one address, the token from the environment."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--telemetry", metavar="ADDRESS", help="of the host with Loki and Tempo")
    options = parser.parse_args()
    address = options.address
    tokens = {"production": None, "staging": os.environ[STAGING_TOKEN]}
    servers = [Backend((address, port), tokens[env], SCALE[env]) for env, port in BACKEND_PORTS.items()]
    if options.telemetry:
        for env, server in zip(BACKEND_PORTS, servers, strict=True):
            telemetry = at(options.telemetry, Sampler(env, SCALE[env]))
            threading.Thread(target=server.keep_sending, args=(telemetry,), daemon=True).start()
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever).start()
    servers[0].serve_forever()


if __name__ == "__main__":
    main()
