"""What Grafana's answers mean: about itself, to its administrator, and of its data sources."""

from __future__ import annotations

from typing import Any

from lgtm.checks import Answer, Bad


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
