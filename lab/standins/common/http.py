"""Ports: those that speak HTTP, and those that are only taken."""

import json
import socketserver
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Address = tuple[str, int]
JSON = "application/json"


class HttpPort(ThreadingHTTPServer):
    """A port that speaks HTTP."""

    daemon_threads = True
    request_queue_size = 128
    server_bind = socketserver.TCPServer.server_bind  # HTTPServer's own version asks DNS for our name


class MutePort(socketserver.ThreadingTCPServer):
    """A gRPC port: it is taken, but nobody is answered."""

    allow_reuse_address = True

    def __init__(self, address: Address) -> None:
        super().__init__(address, socketserver.BaseRequestHandler)


class Handler(BaseHTTPRequestHandler):
    """Sends whole responses, and logs every request."""

    protocol_version = "HTTP/1.1"

    def respond(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        """Send a whole response."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.sized(status):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def sized(self, status: int) -> bool:
        """Tell whether a response of this status says how long it is."""
        return True


class Quiet(Handler):
    """Keeps silent: a request every few seconds is not news."""

    def log_request(self, *_: object) -> None:
        """Log nothing."""


class Texts(Handler):
    """Answers with text, JSON or bytes of a named kind."""

    def answer(self, status: int, text: str) -> None:
        """Send a line of text."""
        self.send(status, text.encode() + b"\n", "text/plain; charset=utf-8")

    def json(self, value: Mapping[str, Any]) -> None:
        """Send JSON."""
        self.send(200, json.dumps(value).encode(), JSON)

    def send(self, status: int, content: bytes, kind: str) -> None:
        """Send bytes of a kind."""
        self.respond(status, content, {"Content-Type": kind})


def serve(*ports: socketserver.BaseServer) -> None:
    """Serve every port in a thread of its own."""
    for port in ports:
        threading.Thread(target=port.serve_forever, daemon=True).start()
