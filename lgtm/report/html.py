"""A run's record as one page that needs no network: what failed first, then everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lgtm.model.words import OUTCOMES, when

ORDER = ("failed", "warning", "unproved", "ok")
WIDTH, HEIGHT = 560, 120  # of a plot, in pixels


def page(record: Mapping[str, Any]) -> str:
    """The page of a record, as `Record.as_dict` gives it."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"when": when, "points": points, "scaled": scaled}
    checks = [{**one, "host": host["name"]} for host in record["hosts"] for one in host["checks"]]
    checks.sort(key=lambda one: ORDER.index(one["verdict"]))
    counts = {verdict: sum(one["verdict"] == verdict for one in checks) for verdict in ORDER}
    return environment.get_template("report.html").render(
        run=record, checks=checks, counts=counts, meaning=OUTCOMES.get(record["exit"], "failed"), width=WIDTH,
        height=HEIGHT,
    )  # fmt: skip


def scaled(value: float, unit: str) -> str:
    """A value with its unit, in a size that can be read."""
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.1f} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def points(values: Sequence[Sequence[float]], top: float) -> str:
    """(time, value) pairs as the points of an SVG polyline that fills the plot, zero at the bottom."""
    if not values:
        return ""
    start, end = values[0][0], values[-1][0]
    return " ".join(
        f"{(at - start) / ((end - start) or 1) * WIDTH:.1f},{HEIGHT - value / (top or 1) * (HEIGHT - 4) - 2:.1f}"
        for at, value in values
    )
