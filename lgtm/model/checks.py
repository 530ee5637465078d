"""Checks: a question asked on a host, and the judgement of its answer. Asking is I/O, judging is pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from lgtm.model.secrets import Secret
from lgtm.model.words import counted

Gate = Literal["own", "peer", "world"]


@dataclass(frozen=True)
class Answer:
    """What a URL said: HTTP status (0 when nobody answered, then `body` says why) and body.

    `url` is the one that was asked, `before` the body it had before the check's own `write`.
    """

    status: int
    body: str
    before: str = ""
    url: str = ""

    def json(self) -> Any:
        """The body as JSON. Raises Bad when it is none."""
        if not self.status:
            raise Bad(self.body.strip())
        try:
            return json.loads(self.body)
        except ValueError:
            raise Bad(f"HTTP {self.status}, not JSON: {self.body[:120]!r}") from None


class Bad(Exception):
    """A check's finding: the sentence an operator reads."""


class NotYet(Bad):
    """A finding that may still turn good by itself: what was written has not shown so far."""


@dataclass(frozen=True)
class Write:
    """Something that a check writes before it asks: JSON that is posted to a URL."""

    url: str
    content: str


@dataclass(frozen=True, kw_only=True)
class Check:
    """A question with one good answer.

    `url` is fetched on the host, and so are those in `also`; `judge` returns what was found (shown beside the check)
    or raises Bad, for each of them. Besides http and https there are `smtp://` and `smtps://` (a login), `redis://`
    and `rediss://` (a ping), `dns://name` (a lookup), and `head+https://…` (the headers alone).
    `gate` says whose failure it is: own, a peer's, or the outside world's (which only warns). `patience` is
    how long the answer may take to become good after a deploy, in seconds; 0 = it is asked once, whatever is said
    on the command line. A `slow` check needs data to have flowed (a scrape, a remote write) or asks somebody else:
    verify.py asks it, the gate of a deploy does not. A `preflight` check can be asked before anything of ours runs:
    preflight.py asks it too. What a check writes (`write`) takes up to `settles` seconds to show, whatever is said
    of patience: so long is waited for a NotYet.
    With a `user` the URL is asked with HTTP basic authentication (the user `bearer` sends a token instead); the
    password is the host's secret file `secret` (service/name) and is read there, or before it lies there, sent along.
    """

    id: str
    title: str
    url: str
    judge: Callable[[Answer], str]
    remedy: str
    gate: Gate = "own"
    patience: int = 30
    slow: bool = False
    preflight: bool = False
    user: str = ""
    secret: str = ""
    value: Secret | None = None  # the password itself, where no file holds it as such
    also: tuple[str, ...] = ()
    write: Write | None = None
    settles: int = 0


@dataclass(frozen=True)
class Plot:
    """What a report draws of the last hour: one series that a range query of Prometheus' HTTP API gives."""

    title: str
    unit: str
    url: str  # without start, end and step

    def values(self, answer: Answer) -> list[tuple[float, float]]:
        """(time, value) pairs, the oldest first; none when there is no such series."""
        try:
            found = data_of(answer)["result"]
        except Bad:
            return []
        return [(float(at), float(value)) for at, value in found[0]["values"]] if found else []


@dataclass(frozen=True)
class Result:
    """A check's outcome on one host."""

    host: str
    service: str
    check: Check
    ok: bool
    found: str
    early: bool = False  # it may still turn good by itself
    before: bool = False  # it failed before this deploy, too
    stand_in: bool = False  # what answered was not the real program: it proves our side of the wire only

    @property
    def verdict(self) -> Literal["ok", "unproved", "warning", "failed"]:
        if self.ok:
            return "unproved" if self.stand_in else "ok"
        return "warning" if self.before or self.check.gate == "world" else "failed"


def judge(host: str, service: str, check: Check, *answers: Answer) -> Result:
    """Turn the answers of a check's URLs into a result: the first that is not well speaks for all."""
    found = ""
    for answer in answers:
        try:
            found = check.judge(answer)
        except Bad as finding:
            return Result(host, service, check, False, str(finding), early=isinstance(finding, NotYet))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):  # it answers something else than asked
            return Result(host, service, check, False, f"HTTP {answer.status}, unexpected: {answer.body[:120]!r}")
    return Result(host, service, check, True, found)


def ready(service: str, url: str, patience: int = 60) -> Check:
    """The check that every service has: its readiness endpoint answers 200."""
    return Check(
        id=f"{service}.ready", title=f"{service} is ready", url=url, judge=_answers_200,
        remedy=f"journalctl -u lgtm-{service} -n 50", patience=patience,
    )  # fmt: skip


def _answers_200(answer: Answer) -> str:
    body_of(answer)
    return "200"


def body_of(answer: Answer) -> str:
    """The body of an answer with status 200. Raises Bad, with the beginning of the body, for any other answer."""
    if answer.status != 200:
        raise Bad(f"HTTP {answer.status}: {answer.body.strip()[:200]}" if answer.status else answer.body.strip())
    return answer.body


def data_of(answer: Answer) -> Any:
    """The `data` of an answer of Prometheus' HTTP API, which Mimir speaks too. Raises Bad for an error."""
    answered = answer.json()
    if answer.status != 200 or answered.get("status") != "success":
        raise Bad(f"HTTP {answer.status}: {answered.get('error', answer.body[:200])}")
    return answered["data"]


def samples(answer: Answer, name: str, *labels: str) -> list[float]:
    """The values of a metric in the Prometheus text format: of its series that have all these `label="value"`.

    Raises Bad when nobody answered.
    """
    if not answer.status:
        raise Bad(answer.body.strip())
    return [
        float(line.split()[-1])
        for line in answer.body.splitlines()
        if line.startswith((f"{name} ", f"{name}{{")) and all(label in line for label in labels)
    ]


def metric(answer: Answer, name: str, *labels: str) -> float:
    """A metric summed over those series. Raises Bad when there is none."""
    found = samples(answer, name, *labels)
    if not found:
        raise Bad(f"HTTP {answer.status}, {' '.join((name, *labels))} is not among the metrics")
    return sum(found)


def reloaded(answer: Answer, name: str, file: str) -> str:
    """A service's own word that it has taken a file's last change: the metric is 1. Raises Bad otherwise."""
    if metric(answer, name) != len(samples(answer, name)):
        raise Bad(f"the last reading of {file} failed")
    return f"{file} is in force"


def rules_loaded(answer: Answer, names: set[str]) -> str:
    """The rules of that name are loaded and can be evaluated, says the rules API. Raises Bad otherwise."""
    found = [rule for group in data_of(answer)["groups"] for rule in group["rules"]]
    if missing := names - {rule["name"] for rule in found}:
        raise Bad(f"not loaded: {', '.join(sorted(missing))}")
    failing = [rule for rule in found if rule["health"] != "ok"]
    if failing:
        raise Bad("; ".join(f"{rule['name']}: {rule.get('lastError') or rule['health']}" for rule in failing))
    return counted(len(found), "rule")
