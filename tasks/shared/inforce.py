"""Whether the configuration that a service says it runs with is the one that was rendered for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from lgtm.task import Answer, Bad, Check, body_of, seconds

DURATION = re.compile(r"([0-9.]+(ms|[smhdwy]))+")
SIZE = re.compile(r"([0-9.]+) ?([KMG]i?B|B)")
BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "KB": 10**3, "MB": 10**6, "GB": 10**9}


def check(service: str, title: str, url: str, rendered: str, shown: Callable[[Answer], str]) -> Check:
    """The check that all that was rendered (YAML) is in what the service shows; it shows its defaults beside it."""
    return Check(
        f"{service}.config", f"{title} runs with the configuration deployed", url,
        lambda answer: _in_force(answer, rendered, shown),
        f"what runs is not what was deployed: systemctl restart lgtm-{service}", patience=30,
    )  # fmt: skip


def body(answer: Answer) -> str:
    """The configuration of a service that shows it as it is; Tempo writes a line about it ahead."""
    return body_of(answer).split("\n---\n", 1)[-1]


def _in_force(answer: Answer, rendered: str, shown: Callable[[Answer], str]) -> str:
    try:
        found = yaml.safe_load(shown(answer))
    except yaml.YAMLError as error:
        raise Bad(f"HTTP {answer.status}, not YAML: {str(error).splitlines()[0]}") from None
    wanted = yaml.safe_load(rendered)
    if not isinstance(found, dict):
        raise Bad(f"HTTP {answer.status}, no configuration: {answer.body[:120]!r}")
    if differing := difference(wanted, found):
        raise Bad(differing)
    return f"{_many(wanted)} settings in force"


def difference(wanted: Any, found: Any, path: str = "") -> str:
    """The first place where `found` lacks something of `wanted` or has another value; empty when it has all."""
    if isinstance(wanted, dict):
        if not wanted or (isinstance(found, dict) and not path):
            found = found or {}
        if not isinstance(found, dict):
            return f"{path}: {found!r} is in force, not {wanted!r}"
        return _first(difference(wanted[key], found.get(key), f"{path}.{key}".lstrip(".")) for key in wanted)
    if isinstance(wanted, list):
        if not isinstance(found, list) or len(found) != len(wanted):
            many = len(found) if isinstance(found, list) else "no"
            return f"{path}: {many} entries are in force, not {len(wanted)}" if wanted or found else ""
        pairs = zip(_sorted(wanted), _sorted(found), strict=True)
        return _first(difference(one, other, f"{path}[{at}]") for at, (one, other) in enumerate(pairs))
    return "" if _same(wanted, found) else f"{path}: {found!r} is in force, not {wanted!r}"


def _same(wanted: Any, found: Any) -> bool:
    """A path that is relative to the configuration is shown as an absolute one."""
    both_text = isinstance(wanted, str) and isinstance(found, str)
    return _plain(wanted) == _plain(found) or (both_text and "/" in wanted and found.endswith(f"/{wanted}"))


def _sorted(values: list[Any]) -> list[Any]:
    """Scalars in an order of their own: a service may show matchers in another than they were given in."""
    return values if any(isinstance(one, dict | list) for one in values) else sorted(values, key=str)


def _first(found: Any) -> str:
    return next((one for one in found if one), "")


def _plain(value: Any) -> Any:
    """A scalar without the many ways in which it can be written: `720h`, `30d` and `30d0h0s` are one."""
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
