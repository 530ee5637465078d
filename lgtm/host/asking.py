"""Asks the checks of a host: all questions in one remote command, repeated while an answer may still become healthy."""

from __future__ import annotations

import base64
import io
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import gevent
from pyinfra.api.host import Host

from lgtm.host import remote
from lgtm.model.checks import Answer, Check, Result, judge
from lgtm.model.secrets import Secret

PAUSE = 0.5  # seconds between two rounds, at first
SHARE = 0.1  # of the time waited so far, later: a long wait is no load on the host


@dataclass(frozen=True)
class Question:
    """A line of input for `ask.sh`. `value` is the secret itself, for a host that may not have its file yet."""

    url: str
    user: str = ""
    secret: str = ""
    value: str = ""
    body: str = ""

    def __str__(self) -> str:
        fields = (self.user, self.secret, _encoded(self.value), _encoded(self.body), self.url)
        return " ".join(field or "-" for field in fields)


def ask(host: Host, checks: Sequence[tuple[str, Check]], secrets: Mapping[str, Secret] | None = None) -> list[Result]:
    """Ask (service, check) pairs once and judge the answers: one remote command.

    `secrets` (service/name → value) are those that the host may not have yet. Raises LgtmError when the command fails.

        [result] = asking.ask(host, [("loki", ready("loki", "http://127.0.0.1:3100/ready"))])
    """
    known = secrets or {}
    writing = [check for _, check in checks if check.write]
    before = [_question(check, check.url, known) for check in writing]
    writes = [Question(check.write.url, body=check.write.content) for check in writing if check.write]
    questions = [[_question(check, url, known) for url in (check.url, *check.also)] for _, check in checks]
    answers = iter(query(host, before, writes, [one for some in questions for one in some]))
    written = {check.id: next(answers).body for check in writing}
    refused = {check.id: answer for check in writing if (answer := next(answers)).status // 100 != 2}
    results = []
    for (service, check), asked_urls in zip(checks, questions, strict=True):
        replies = [replace(next(answers), url=question.url) for question in asked_urls]
        if check.id in refused:
            found = f"it refuses what the check writes: {_refusal(refused[check.id])}"
            results.append(Result(host.name, service, check, False, found))
        else:
            reread = _remembering(check, written[check.id]) if check.id in written else check
            results.append(judge(host.name, service, reread, *replies))
    return results


def _remembering(check: Check, before: str) -> Check:
    """The same check without its write; its answers know the body from before the write."""
    return replace(check, write=None, judge=lambda answer: check.judge(replace(answer, before=before)))


def _refusal(answer: Answer) -> str:
    return f"HTTP {answer.status}: {answer.body.strip()[:200]}" if answer.status else answer.body.strip()


def query(host: Host, *rounds: Sequence[Question]) -> list[Answer]:
    """Ask questions: those of a round at the same time, one round after the other. One remote command, or none."""
    if not any(rounds):
        return []
    text = "\n. - - - -\n".join("\n".join(map(str, one)) for one in rounds if one)
    return parse_answers(remote.run(host, "ask", stdin=text), sum(map(len, rounds)))


def _question(check: Check, url: str, secrets: Mapping[str, Secret]) -> Question:
    value = check.value or secrets.get(check.secret)
    return Question(url, check.user, check.secret, value.reveal() if value else "")


def await_all(
    host: Host,
    checks: Sequence[tuple[str, Check]],
    patience: int | None = None,
    progress: Callable[[Sequence[str]], None] = lambda ids: None,
) -> list[Result]:
    """Ask until all checks are healthy or their patience ends; only failing checks are asked again.

    `patience` in seconds replaces that of each check, except for checks that have none. A check of the outside world
    is repeated only when `patience` is given, and no longer than its own: it only warns. `progress` is called with the
    ids of the checks that are still failing, whenever these change.
    """
    results = {check.id: result for (_, check), result in zip(checks, ask(host, checks), strict=True)}
    start, reported = time.monotonic(), [""]
    while True:
        waited = time.monotonic() - start
        left = {name: _patience(result, patience) - waited for name, result in results.items() if not result.ok}
        waiting = [(service, results[check.id].check) for service, check in checks if left.get(check.id, 0) > 0]
        if (ids := [check.id for _, check in waiting]) != reported:
            progress(ids)
            reported = ids
        if not waiting:
            return [results[check.id] for _, check in checks]
        # Never beyond patience: the deploy's window on the host is that plus a margin.
        gevent.sleep(min(max(PAUSE, SHARE * waited), max(left.values())))
        results |= {result.check.id: result for result in ask(host, waiting)}


def _patience(result: Result, patience: int | None) -> int:
    check = result.check
    if patience is None:
        return 0 if check.gate == "world" else check.patience
    given = min(patience, check.patience) if check.gate == "world" else patience
    return max(check.settles if result.early else 0, given if check.patience else 0)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def parse_answers(output: str, count: int) -> list[Answer]:
    """Parse the output of `ask.sh`, a base64 tar.gz: one answer per question, in their order."""
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(output)), mode="r:gz") as archive:
        members = {member.name.removeprefix("./"): archive.extractfile(member) for member in archive}
        texts = {name: file.read().decode(errors="replace") for name, file in members.items() if file}
    answers = dict.fromkeys(map(str, range(1, count + 1)), Answer(0, "curl ended without a result"))
    for line in texts["all"].splitlines():
        number, code, status, *error = line.split("\t")
        refused = Answer(0, f"curl: ({code}) {' '.join(error)}")
        answers[number] = refused if code != "0" else Answer(int(status), texts.get(number, ""))
    return list(answers.values())
