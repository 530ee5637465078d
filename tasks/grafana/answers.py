"""How answers of Grafana are judged: about itself, and about its data sources and dashboards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lgtm.task import Answer, Bad

from .dashboards import uids


def database(answer: Answer) -> str:
    health = answer.json()
    if health["database"] != "ok":
        raise Bad(f"HTTP {answer.status}, database: {health['database']}")
    return f"version {health['version']}"


def refused(answer: Answer) -> str:
    if answer.status == 200:
        raise Bad("HTTP 200: Grafana can be read without a login")
    if answer.status != 401:
        raise Bad(f"HTTP {answer.status}: {answer.body[:120]!r}")
    return "401"


def login(answer: Answer) -> str:
    return f"organisation {entered(answer)['name']!r}"


def healthy(answer: Answer) -> str:
    health = entered(answer, also=(400, 404, 500))
    if health.get("status") != "OK":
        raise Bad(f"HTTP {answer.status}: {health.get('message', health)}")
    return str(health["message"])


def echo(answer: Answer) -> str:
    if answer.status != 200 or answer.body.strip() != "echo":
        raise Bad(f"HTTP {answer.status}: {answer.body[:200].strip()}")
    return "it answers"


def entered(answer: Answer, also: tuple[int, ...] = ()) -> Any:
    """The JSON that Grafana answers to the administrator. Raises Bad if it rejects the login."""
    if answer.status == 401:
        raise Bad(f"HTTP 401, Grafana rejects the password of .env: {answer.body[:120].strip()}")
    if answer.status not in (200, *also):
        raise Bad(f"HTTP {answer.status}: {answer.body[:200].strip()}")
    return answer.json()


def answered(answer: Answer) -> str:
    """Judge the answer to a query of a dashboard. No data is no error."""
    parameters = parse_qs(urlsplit(answer.url).query)
    query = next((parameters[name][0] for name in ("query", "q") if name in parameters), "")
    try:
        result = entered(answer)
    except Bad as finding:
        raise Bad(f"{finding} ({query})") from None
    if result.get("status", "success") != "success" or not {"data", "traces", "metrics"} & result.keys():
        raise Bad(f"HTTP 200, but {answer.body[:200]!r} ({query})")
    return "all answered"


def sources(answer: Answer, wanted: Mapping[str, str]) -> str:
    found = {one["uid"]: one for one in entered(answer)}
    if missing := sorted(wanted.keys() - found.keys()):
        raise Bad(f"{', '.join(missing)} missing")
    if elsewhere := [f"{uid} asks {found[uid]['url']}" for uid in sorted(wanted) if found[uid]["url"] != wanted[uid]]:
        raise Bad("; ".join(elsewhere))
    others = found.keys() - wanted.keys()
    if leftover := sorted(uid for uid in others if found[uid].get("readOnly")):
        raise Bad(f"{', '.join(leftover)} provisioned by a file that is not ours")
    return f"{', '.join(sorted(wanted))}{_and_others(others)}"


def dashboards(answer: Answer) -> str:
    found = {one["uid"] for one in entered(answer)}
    if missing := sorted(set(uids()) - found):
        raise Bad(f"{', '.join(missing)} missing")
    return f"{len(uids())} dashboards{_and_others(found - set(uids()))}"


def _and_others(others: Iterable[str]) -> str:
    """Names what people created, and what we no longer deploy. Only they may delete it."""
    return f", and not ours: {', '.join(sorted(others))}" if others else ""
