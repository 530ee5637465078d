"""What happens to a line on its way out: its stream is selected, then it is filtered, parsed and measured."""

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .store import Line, Store

Fits = Callable[[Mapping[str, str]], bool]
Stage = Callable[[Line], Line | None]
NUMBERS = {
    "=": operator.eq, "==": operator.eq, "!=": operator.ne,
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip


class LogQLError(ValueError):
    """Why a query is refused, in a sentence."""


@dataclass(frozen=True)
class Log:
    """A query for lines; `unwrapped` names the label whose value is measured, if any."""

    fits: Fits
    stages: tuple[Stage, ...]
    unwrapped: str

    def lines(self, store: Store, start: int, end: int) -> Iterator[Line]:
        """Give the lines after `start` and up to `end` that come through, by stream."""
        for found in store.select(self.fits, start, end):
            line: Line | None = found
            for stage in self.stages:
                line = line and stage(line)
            if line:
                yield line


def fits(matchers: Sequence[tuple[str, str, str]]) -> Fits:
    """`{a="b", c=~"d"}`, of which one at least must ask for a label that is there."""
    tests = [(name, test_of(sign, value)) for name, sign, value in matchers]
    if all(test("") for _, test in tests):
        raise LogQLError("queries require at least one matcher that does not match an empty value")
    return lambda labels: all(test(labels.get(name, "")) for name, test in tests)


def test_of(sign: str, value: str) -> Callable[[str], bool]:
    """One of = == != =~ !~ with its right-hand side; a pattern must match the whole."""
    if sign in ("=", "=="):
        return lambda found: found == value
    if sign == "!=":
        return lambda found: found != value
    if sign not in ("=~", "!~"):
        raise LogQLError(f"{sign} compares numbers, not {value!r}")
    pattern = compiled(value)
    return lambda found: (pattern.fullmatch(found) is not None) is (sign == "=~")


def compiled(value: str) -> re.Pattern[str]:
    try:
        return re.compile(value)
    except re.error as error:
        raise LogQLError(f"not a pattern: {value!r}: {error}") from None


def line_filter(sign: str, value: str) -> Stage:
    """`|=`, `!=`, `|~` or `!~`."""
    pattern = compiled(value if "~" in sign else re.escape(value))
    return lambda line: line if (pattern.search(line.text) is not None) is (sign[0] == "|") else None


def text_filter(name: str, sign: str, value: str) -> Stage:
    """`| level = "error"`."""
    test = test_of(sign, value)
    return lambda line: line if test(line.labels.get(name, "")) else None


def number_filter(name: str, sign: str, value: float) -> Stage:
    """`| status >= 500`; a label that is no number does not come through."""
    if sign not in NUMBERS:
        raise LogQLError(f"{sign} compares text, not {value}")
    return lambda line: line if (found := number(line, name)) is not None and NUMBERS[sign](found, value) else None


def unwrap(name: str) -> Stage:
    """`| unwrap duration_ms`: without the label no line, with one that is no number an error."""

    def measure(line: Line) -> Line | None:
        if not line.labels.get(name):
            return None
        return line if number(line, name) is not None else failed(line, "SampleExtractionErr")

    return measure


def json_parser(wanted: Mapping[str, str]) -> Stage:
    """`| json`, which makes a label of every value, or `| json a="b.c"`, which makes those."""

    def read(line: Line) -> Line:
        try:
            tree = json.loads(line.text)
        except ValueError:
            return failed(line, "JSONParserErr")
        values = dict(_flat(tree)) if isinstance(tree, dict) else {}
        found = {key: values.get(path.replace(".", "_"), "") for key, path in wanted.items()} if wanted else values
        new = {f"{key}_extracted" if key in line.labels else key: value for key, value in found.items() if value}
        return line._replace(labels={**line.labels, **new})

    return read


def number(line: Line, name: str) -> float | None:
    try:
        return float(line.labels.get(name, ""))
    except ValueError:
        return None


def failed(line: Line, why: str) -> Line:
    return line._replace(labels={**line.labels, "__error__": why})


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        name = prefix + re.sub(r"\W", "_", key)
        if isinstance(value, dict):
            yield from _flat(value, f"{name}_")
        elif value is not None and not isinstance(value, list):
            yield name, value if isinstance(value, str) else json.dumps(value)
