"""Health checks: a question to a service, and the judgement of its answer. Pure: `lgtm.host.asking` asks."""

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
    """The answer of a URL: HTTP status and body. Status 0 means no answer; `body` then has the reason.

    `url` is the URL that was asked, `before` its body before the check's own `write`.
    """

    status: int
    body: str
    before: str = ""
    url: str = ""

    def json(self) -> Any:
        """Parse the body as JSON. Raises Bad when there was no answer, or the body is not JSON."""
        if not self.status:
            raise Bad(self.body.strip())
        try:
            return json.loads(self.body)
        except ValueError:
            raise Bad(f"HTTP {self.status}, not JSON: {self.body[:120]!r}") from None


class Bad(Exception):
    """The answer is not healthy; the message is what an operator reads."""


class NotYet(Bad):
    """The answer is not healthy yet: what the check has written is not visible so far."""


@dataclass(frozen=True)
class Write:
    """What a check writes before it asks: JSON, in a POST request."""

    url: str
    content: str


@dataclass(frozen=True, kw_only=True)
class Check:
    """A health check: a question to a service, and how its answer is judged.

    `url` and the URLs in `also` are asked on the host: http(s), `smtp://` and `smtps://` (a login), `redis://` and
    `rediss://` (a ping), `dns://name` (a lookup), `head+https://…` (the headers alone). `judge` gives what is shown
    beside the check, or raises Bad, for each answer.
    `gate` is the cause of a failure: own, a peer, or the outside world (which only warns).
    `patience` is the maximum wait in seconds for a healthy answer; 0 = asked once, whatever the command line says.
    `slow`: it needs data to have flowed (a scrape, a remote write), so verify.py asks it, and a deploy's gate does not.
    `preflight`: it can be asked before anything of ours runs, so preflight.py asks it, too.
    `write` is sent before the check asks; `settles` is the maximum wait in seconds, whatever the patience, for a
    result that is not there yet (NotYet).
    `user` is that of HTTP basic authentication (`bearer` sends a token instead). The password is the host's secret
    file `secret` (service/name); it is sent along when the host does not have that file yet.
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
    """A plot of the last hour in a report: one series of a range query to Prometheus' HTTP API."""

    title: str
    unit: str
    url: str  # without start, end and step

    def values(self, answer: Answer) -> list[tuple[float, float]]:
        """Give (time, value) pairs, the oldest first; empty when there is no such series."""
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
    """Judge the answers of a check's URLs; the first that is not healthy is the result."""
    found = ""
    for answer in answers:
        try:
            found = check.judge(answer)
        except Bad as finding:
            return Result(host, service, check, False, str(finding), early=isinstance(finding, NotYet))
        except (
            AttributeError,
            IndexError,
            KeyError,
            TypeError,
            ValueError,
        ):  # the answer has another shape than expected
            return Result(host, service, check, False, f"HTTP {answer.status}, unexpected: {answer.body[:120]!r}")
    return Result(host, service, check, True, found)


def ready(service: str, url: str, patience: int = 60) -> Check:
    """Give the readiness check of a service: its endpoint answers HTTP 200. `patience` in seconds."""
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
    """Give the `data` of an answer of Prometheus' HTTP API, which Mimir has too. Raises Bad for an error."""
    reply = answer.json()
    if answer.status != 200 or reply.get("status") != "success":
        raise Bad(f"HTTP {answer.status}: {reply.get('error', answer.body[:200])}")
    return reply["data"]


def samples(answer: Answer, name: str, *labels: str) -> list[float]:
    """Give the values of a metric in the Prometheus text format: one per series that has all `labels`.

    `samples(answer, "up", 'job="node"')`. Raises Bad when there was no answer.
    """
    if not answer.status:
        raise Bad(answer.body.strip())
    return [
        float(line.split()[-1])
        for line in answer.body.splitlines()
        if line.startswith((f"{name} ", f"{name}{{")) and all(label in line for label in labels)
    ]


def metric(answer: Answer, name: str, *labels: str) -> float:
    """Give the sum of a metric's series that have all `labels`. Raises Bad when there is none."""
    values = samples(answer, name, *labels)
    if not values:
        raise Bad(f"HTTP {answer.status}, {' '.join((name, *labels))} is not among the metrics")
    return sum(values)


def reloaded(answer: Answer, name: str, file: str) -> str:
    """Judge whether a service has loaded the last change of a file: the metric is 1. Raises Bad otherwise."""
    if metric(answer, name) != len(samples(answer, name)):
        raise Bad(f"the last reading of {file} failed")
    return f"{file} is in force"


def rules_loaded(answer: Answer, names: set[str]) -> str:
    """Judge by the rules API whether these rules are loaded and healthy. Raises Bad otherwise."""
    rules = [rule for group in data_of(answer)["groups"] for rule in group["rules"]]
    if missing := names - {rule["name"] for rule in rules}:
        raise Bad(f"not loaded: {', '.join(sorted(missing))}")
    failing = [rule for rule in rules if rule["health"] != "ok"]
    if failing:
        raise Bad("; ".join(f"{rule['name']}: {rule.get('lastError') or rule['health']}" for rule in failing))
    return counted(len(rules), "rule")
