"""Asking the checks: all of a host's questions in one remote command, again while answers may still turn good."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence

import gevent
from pyinfra.api.host import Host

from lgtm import remote
from lgtm.checks import Answer, Check, Result, judge

PAUSE = 0.5  # seconds between two rounds


def ask(host: Host, checks: Sequence[tuple[str, Check]]) -> list[Result]:
    """Ask once: one remote command."""
    questions = "\n".join(f"{check.user or '-'} {check.secret or '-'} {check.url}" for _, check in checks)
    lines = remote.run(host, "ask", stdin=questions).splitlines() if checks else []
    answers = [_answer(line) for line in lines if line.strip()]
    return [judge(host.name, service, check, answer) for (service, check), answer in zip(checks, answers, strict=True)]


def await_all(host: Host, checks: Sequence[tuple[str, Check]], patience: int | None = None) -> list[Result]:
    """Ask until all is well or patience is at its end; only what is not yet well is asked again.

    `patience` in seconds replaces each check's own, but for a check that has none. The outside world is not waited
    for unless patience is given.
    """
    results = {check.id: result for (_, check), result in zip(checks, ask(host, checks), strict=True)}
    start = time.monotonic()
    while True:
        waiting = [
            (service, check)
            for service, check in checks
            if not results[check.id].ok and time.monotonic() - start < _patience(check, patience)
        ]
        if not waiting:
            return [results[check.id] for _, check in checks]
        gevent.sleep(PAUSE)
        results |= {result.check.id: result for result in ask(host, waiting)}


def _patience(check: Check, patience: int | None) -> int:
    if patience is not None:
        return patience if check.patience else 0
    return 0 if check.gate == "world" else check.patience


def _answer(line: str) -> Answer:
    status, _, body = line.partition(" ")
    return Answer(int(status), base64.b64decode(body).decode(errors="replace"))
