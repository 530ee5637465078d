"""A check that a service runs with the configuration that was rendered for it, by the one that it shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from lgtm.task import Answer, Bad, Check, body_of, counted, seconds

DURATION = re.compile(r"([0-9.]+(ms|[smhdwy]))+")
SIZE = re.compile(r"([0-9.]+) ?([KMG]i?B|B)")
BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "KB": 10**3, "MB": 10**6, "GB": 10**9}


def check(service: str, title: str, url: str, rendered: str, shown: Callable[[Answer], str]) -> Check:
    """The check that the service shows every rendered setting (YAML). It may show more, such as its defaults."""
    return Check(
        id=f"{service}.config", title=f"{title} runs with the deployed configuration", url=url,
        judge=lambda answer: _in_force(answer, rendered, shown),
        remedy=f"the running configuration is not the deployed one: systemctl restart lgtm-{service}", patience=30,
    )  # fmt: skip


def body(answer: Answer) -> str:
    """The configuration from the body of the answer, without the line that Tempo writes before it."""
    return body_of(answer).split("\n---\n", 1)[-1]


def _in_force(answer: Answer, rendered: str, shown: Callable[[Answer], str]) -> str:
    try:
        running = yaml.safe_load(shown(answer))
    except yaml.YAMLError as error:
        raise Bad(f"HTTP {answer.status}, not YAML: {str(error).splitlines()[0]}") from None
    wanted = yaml.safe_load(rendered)
    if not isinstance(running, dict):
        raise Bad(f"HTTP {answer.status}, no configuration: {answer.body[:120]!r}")
    if differing := difference(wanted, running):
        raise Bad(differing)
    return f"{counted(_many(wanted), 'setting')} in force"


def difference(wanted: Any, running: Any, path: str = "") -> str:
    """The first setting of `wanted` that `running` lacks or has with another value; empty if there is none."""
    if isinstance(wanted, dict):
        if not wanted or (isinstance(running, dict) and not path):
            running = running or {}
        if not isinstance(running, dict):
            return f"{path}: {running!r} is in force, not {wanted!r}"
        return _first(difference(wanted[key], running.get(key), f"{path}.{key}".lstrip(".")) for key in wanted)
    if isinstance(wanted, list):
        if not isinstance(running, list) or len(running) != len(wanted):
            many = len(running) if isinstance(running, list) else "no"
            return f"{path}: {many} entries are in force, not {len(wanted)}" if wanted or running else ""
        pairs = zip(_sorted(wanted), _sorted(running), strict=True)
        return _first(difference(one, other, f"{path}[{at}]") for at, (one, other) in enumerate(pairs))
    return "" if _same(wanted, running) else f"{path}: {running!r} is in force, not {wanted!r}"


def _same(wanted: Any, running: Any) -> bool:
    """Whether two scalars are equal; a relative path equals the absolute path that ends with it."""
    both_text = isinstance(wanted, str) and isinstance(running, str)
    return _plain(wanted) == _plain(running) or (both_text and "/" in wanted and running.endswith(f"/{wanted}"))


def _sorted(values: list[Any]) -> list[Any]:
    """Scalars sorted, because a service may show matchers in another order."""
    return values if any(isinstance(one, dict | list) for one in values) else sorted(values, key=str)


def _first(differences: Any) -> str:
    return next((one for one in differences if one), "")


def _plain(value: Any) -> Any:
    """A scalar in one notation: `720h`, `30d` and `30d0h0s` are equal."""
    if value is None or value is False or value in ("", "0s", "0"):
        return 0
    if isinstance(value, str):
        if DURATION.fullmatch(value):
            return seconds(value)
        if size := SIZE.fullmatch(value):
            return float(size[1]) * BYTES[size[2]]
        if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?", value):
            return float(value)
        return value.lower() if value.lower() in ("true", "false") else value
    return float(value) if isinstance(value, int | float) else value


def _many(wanted: Any) -> int:
    if isinstance(wanted, dict):
        return sum(_many(one) for one in wanted.values())
    return sum(_many(one) for one in wanted) if isinstance(wanted, list) else 1
