"""What Grafana's answers mean: about itself, to its administrator, and of its data sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lgtm.task import Answer, Bad

from .dashboards import uids


def database(answer: Answer) -> str:
    found = answer.json()
    if found["database"] != "ok":
        raise Bad(f"HTTP {answer.status}, database: {found['database']}")
    return f"version {found['version']}"


def refused(answer: Answer) -> str:
    if answer.status == 200:
        raise Bad("HTTP 200: whoever reaches Grafana can look at everything")
    if answer.status != 401:
        raise Bad(f"HTTP {answer.status}: {answer.body[:120]!r}")
    return "401"


def login(answer: Answer) -> str:
    return f"organisation {entered(answer)['name']!r}"


def healthy(answer: Answer) -> str:
    found = entered(answer, also=(400, 404, 500))
    if found.get("status") != "OK":
        raise Bad(f"HTTP {answer.status}: {found.get('message', found)}")
    return str(found["message"])


def echo(answer: Answer) -> str:
    if answer.status != 200 or answer.body.strip() != "echo":
        raise Bad(f"HTTP {answer.status}: {answer.body[:200].strip()}")
    return "it echoes"


def entered(answer: Answer, also: tuple[int, ...] = ()) -> Any:
    """The JSON that Grafana answers to the administrator. Raises Bad when it does not let him in."""
    if answer.status == 401:
        raise Bad(f"HTTP 401, the password of .env is not in force: {answer.body[:120].strip()}")
    if answer.status not in (200, *also):
        raise Bad(f"HTTP {answer.status}: {answer.body[:200].strip()}")
    return answer.json()


def answered(answer: Answer) -> str:
    """That there is no data is no error: who could know what people do?"""
    asked = parse_qs(urlsplit(answer.url).query)
    query = next((asked[name][0] for name in ("query", "q") if name in asked), "")
    try:
        found = entered(answer)
    except Bad as finding:
        raise Bad(f"{finding} ({query})") from None
    if found.get("status", "success") != "success" or not {"data", "traces", "metrics"} & found.keys():
        raise Bad(f"HTTP 200, but {answer.body[:200]!r} ({query})")
    return "every one"


def _sources(answer: Answer, wanted: Mapping[str, str]) -> str:
    found = {one["uid"]: one for one in entered(answer)}
    if missing := sorted(wanted.keys() - found.keys()):
        raise Bad(f"{', '.join(missing)} missing")
    if elsewhere := [f"{uid} asks {found[uid]['url']}" for uid in sorted(wanted) if found[uid]["url"] != wanted[uid]]:
        raise Bad("; ".join(elsewhere))
    others = found.keys() - wanted.keys()
    if leftover := sorted(uid for uid in others if found[uid].get("readOnly")):
        raise Bad(f"{', '.join(leftover)} is a file's too, but no file of ours")
    return f"{', '.join(sorted(wanted))}{_and_others(others)}"


def dashboards(answer: Answer) -> str:
    found = {one["uid"] for one in entered(answer)}
    if missing := sorted(set(uids()) - found):
        raise Bad(f"{', '.join(missing)} missing")
    return f"{len(uids())} dashboards{_and_others(found - set(uids()))}"


def _and_others(others: Iterable[str]) -> str:
    """What people have made in Grafana, and what was given up, is theirs to delete: it is mentioned, no more."""
    return f", and not ours: {', '.join(sorted(others))}" if others else ""
