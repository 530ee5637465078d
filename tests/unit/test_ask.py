"""Asking on a host: many questions at once, answers in their order, and no secret where others could read it."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from socketserver import StreamRequestHandler, TCPServer, ThreadingTCPServer

import pytest
from private import LGTM, Private, deliver

from lgtm.host import asking
from lgtm.model.unit import LIBRARY


@contextmanager
def serving(server: TCPServer) -> Iterator[int]:
    """The port of a server that answers for a while."""
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield int(server.server_address[1])
        server.shutdown()


def answers(host: Private, *questions: str) -> list[tuple[int, str]]:
    """(status, body) of each question."""
    ran = host.run("ask", stdin="\n".join(questions))
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.splitlines()) == 1 and ran.stdout.endswith("\n")  # how it ended is the line after it
    many = sum(not one.startswith(".") for one in questions)
    return [(one.status, one.body) for one in asking.parse_answers(ran.stdout, many)]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Echo(BaseHTTPRequestHandler):
    """Answers with its path; a POST is kept, and shown from then on."""

    kept = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{self.path} {self.headers['Authorization']} {Echo.kept}".encode())

    def do_POST(self) -> None:
        Echo.kept = self.rfile.read(int(self.headers["Content-Length"])).decode() + self.headers["Content-Type"]
        self.send_response(204)
        self.end_headers()

    def log_request(self, *_: object) -> None:
        """Say nothing."""


def test_many_questions_are_answered_in_their_order(host: Private) -> None:
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Echo)) as port:
        said = answers(host, *(f"- - - - http://127.0.0.1:{port}/{number}" for number in range(60)))
    assert [(status, body.split()[0]) for status, body in said] == [(200, f"/{number}") for number in range(60)]


def test_one_that_nobody_answers_does_not_stop_the_others(host: Private) -> None:
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Echo)) as port:
        dead, alive = "- - - - http://127.0.0.1:1/", f"- - - - http://127.0.0.1:{port}/"
        said = answers(host, alive, dead, "- - - - http://no.such.name.invalid/", alive)
    assert [status for status, _ in said] == [200, 0, 0, 200]
    assert said[1][1].startswith("curl: (7) ") and said[2][1].startswith("curl: (6) ")


def test_what_is_posted_is_there_for_the_questions_after_the_dot(host: Private) -> None:
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Echo)) as port:
        url = f"http://127.0.0.1:{port}/"
        said = answers(
            host, f"- - - - {url}", ". - - - -", f"- - - {encoded('{1}')} {url}", ". - - - -", f"- - - - {url}"
        )
    assert said == [(200, "/ None "), (204, ""), (200, "/ None {1}application/json")]


def test_a_token_is_sent_as_one_with_the_value_that_comes_along(host: Private) -> None:
    token = encoded('t0"ken')
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Echo)) as port:
        [(_, said)] = answers(host, f"bearer prometheus/token {token} - http://127.0.0.1:{port}/")
    assert 'Bearer t0"ken' in said


class Redis(StreamRequestHandler):
    """A Redis that knows one password."""

    def handle(self) -> None:
        open_to = False
        for line in self.rfile:
            words = line.decode().split()
            if words[0] == "AUTH":
                open_to = words[1:] == ['"s3\\"cret"']
                self.wfile.write(b"+OK\r\n" if open_to else b"-WRONGPASS invalid username-password pair\r\n")
            elif words[0] == "PING":
                self.wfile.write(b"+PONG\r\n" if open_to else b"-NOAUTH Authentication required.\r\n")
            else:
                return


@pytest.mark.parametrize(
    ("value", "said"),
    [(encoded('s3"cret'), "+PONG"), (encoded("wrong"), "-WRONGPASS"), ("-", "-NOAUTH")],
)
def test_a_redis_is_pinged(host: Private, value: str, said: str) -> None:
    with serving(ThreadingTCPServer(("127.0.0.1", 0), Redis)) as port:
        [(status, body)] = answers(host, f"- - {value} - redis://127.0.0.1:{port}")
    assert status == 200 and said in body


def test_a_redis_that_is_not_there_and_a_name_that_has_no_address(host: Private) -> None:
    said = answers(host, "- - - - redis://127.0.0.1:1", "- - - - dns://127.0.0.1", "- - - - dns://no.such.name.invalid")
    assert [status for status, _ in said] == [0, 200, 0]
    assert said[0][1].startswith("curl: (7) ") and said[2][1] == "no address for no.such.name.invalid\n"


class Asked(BaseHTTPRequestHandler):
    """Answers with the Authorization header that it was sent."""

    def do_GET(self) -> None:
        self.send_response(200 if self.headers["Authorization"] else 401)
        self.end_headers()
        self.wfile.write(str(self.headers["Authorization"]).encode())

    def log_request(self, *_: object) -> None:
        """Say nothing."""


def test_a_question_with_a_user_carries_the_password_that_the_host_has(host: Private) -> None:
    password = 'pa"ss\\wörd'
    host.path("/etc/lgtm/secrets/grafana").mkdir(parents=True)
    host.path("/etc/lgtm/secrets/grafana/admin").write_text(password)
    with HTTPServer(("127.0.0.1", 0), Asked) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        (with_user, sent), (without, _) = answers(host, f"admin grafana/admin - - {url}", f"- - - - {url}")
        server.shutdown()
    assert (with_user, without) == (200, 401)
    scheme, login = sent.split()
    assert (scheme, base64.b64decode(login).decode()) == ("Basic", f"admin:{password}")


class Greeting(StreamRequestHandler):
    """A mail server that knows one password and, unlike any other, has no TLS."""

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, MailServer)
        self.say("220 hello")
        for line in self.rfile:
            word = line.split()[0].decode()
            if word == "EHLO":
                self.say("250-mail.test\r\n250 AUTH PLAIN")
            elif word == "AUTH":
                self.say("334 ")
                server.logins.append(base64.b64decode(self.rfile.readline()).decode().split("\0")[1:])
                self.say("235 in" if server.logins[-1][1] == server.password else "535 out")
            else:
                self.say("221 bye" if word == "QUIT" else "250 fine" if word == "NOOP" else "500 what?")

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class MailServer(ThreadingTCPServer):
    password = 'pa"ss\\word'
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Greeting)
        self.logins: list[list[str]] = []


@pytest.mark.parametrize(
    ("address", "password", "answer", "tried"),
    [
        ("127.0.0.1", MailServer.password, (250, ""), True),
        ("127.0.0.1", "wrong", (0, "curl: (67) Login denied"), True),
        ("0x7f000001", MailServer.password, (0, "curl: (64) "), False),  # for all the script knows, another host
    ],
)
def test_a_mail_server_is_logged_in_to_and_elsewhere_only_with_tls(
    host: Private, address: str, password: str, answer: tuple[int, str], tried: bool
) -> None:
    host.path("/etc/lgtm/secrets/alertmanager").mkdir(parents=True)
    host.path("/etc/lgtm/secrets/alertmanager/smtp_password").write_text(password)
    with MailServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"smtp://{address}:{server.server_address[1]}"
        [(status, body)] = answers(host, f"me@mail.test alertmanager/smtp_password - - {url}")
        server.shutdown()
    assert (status, body[: len(answer[1])]) == answer
    assert server.logins == ([["me@mail.test", password]] if tried else [])


class Broken(BaseHTTPRequestHandler):
    """Promises more than it sends."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"half")

    def log_request(self, *_: object) -> None:
        """Say nothing."""


def test_half_an_answer_is_none(host: Private) -> None:
    with HTTPServer(("127.0.0.1", 0), Broken) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        [(status, body)] = answers(host, f"- - - - http://127.0.0.1:{server.server_port}/")
        server.shutdown()
    assert status == 0 and body.startswith("curl: (18)")


def test_a_curl_that_is_killed_is_no_answer(host: Private) -> None:
    tools = host.path("/opt/tools")
    tools.mkdir()
    (tools / "curl").write_text("#!/bin/sh\nkill -9 $$\n")
    (tools / "curl").chmod(0o755)
    script = f"PATH=/opt/tools:$PATH\n{(LGTM / 'host' / 'scripts' / 'ask.sh').read_text()}"
    ran = host.sh(script, "ask", stdin="- - - - http://127.0.0.1:1/\n- - - - dns://127.0.0.1\n")
    curls, others = asking.parse_answers(ran.stdout, 2)
    assert (curls.status, curls.body) == (0, "curl ended without a result") and others.status == 200


PLAYED = """
mkdir -p /run/bin
printf '#!/bin/sh\\n' >/run/bin/systemctl
printf '#!/bin/sh\\nprintf "level=info msg=hello\\\\npanic: no\\\\n\\\\ngoroutine 1\\\\n"\\n' >/run/bin/journalctl
chmod 755 /run/bin/*
"""


@pytest.mark.parametrize(
    ("library", "said"),
    [
        ("true", "panic: no\n"),
        (f"echo >{LIBRARY}/services.sh", "goroutine 1\n"),
        (f"umount {LIBRARY}", "goroutine 1\n"),
    ],
    ids=["there", "of an older deploy", "missing"],
)
def test_a_service_is_asked_why_it_failed(host: Private, library: str, said: str) -> None:
    deliver(host)
    assert host.sh(PLAYED + library).returncode == 0
    script = (LGTM / "host" / "scripts" / "ask.sh").read_text()
    ran = host.sh(f"PATH=/run/bin:$PATH\n{script}", "ask", stdin="- - - - why://alpha\n")
    [answer] = asking.parse_answers(ran.stdout, 1)
    assert answer.status == 200 and answer.body.endswith(said), answer
