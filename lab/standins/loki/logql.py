"""LogQL, the part that dashboards use: read into functions that answer for many moments at once."""

import math
import operator
import re
from functools import partial
from typing import NoReturn

from . import aggregation, pipeline
from .aggregation import Grouping, Node
from .pipeline import Log, LogQLError

TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|`[^`]*`) | (?P<time>(?:\d+(?:ms|[smhdwy]))+) | (?P<number>\d+(?:\.\d+)?)
    | (?P<name>[A-Za-z_]\w*) | (?P<sign>\|=|\|~|!=|!~|=~|==|>=|<=|[{}()\[\],=<>|+*/-]) | (?P<end>$))""",
    re.VERBOSE,
)
DURATION = re.compile(r"(\d+(ms|[smhdwy]))+")
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
ARITHMETIC = ({"+": operator.add, "-": operator.sub}, {"*": operator.mul, "/": lambda a, b: a / b if b else math.nan})
COMPARISONS = ("=", "==", "!=", "=~", "!~", ">", ">=", "<", "<=")


def seconds(duration: str) -> float:
    """`1h30m` → 5400."""
    return sum(int(n) * UNITS[unit] for n, unit in re.findall(r"(\d+)(ms|[smhdwy])", duration))


def parse(query: str) -> Log | Node:
    """Read a query; LogQLError says what is not understood."""
    reader = Reader(query)
    found = reader.log() if reader.ahead("{") else reader.metric(0)
    reader.expect("")
    return found


class Reader:
    """Reads a query from left to right."""

    def __init__(self, query: str) -> None:
        self.query, self.at, self.kind, self.word = query, 0, "", ""
        self.next()

    def next(self) -> str:
        """Step over the current token and give its text."""
        passed = self.word
        found = TOKEN.match(self.query, self.at)
        if not found:
            self.fail(self.query[self.at :].split()[0])
        self.at, self.kind, self.word = found.end(), str(found.lastgroup), found[str(found.lastgroup)]
        return passed

    def fail(self, word: str) -> NoReturn:
        raise LogQLError(f"parse error: the stand-in does not understand {word or 'the end'!r} in {self.query}")

    def ahead(self, *words: str) -> bool:
        return self.word in words and self.kind != "text"

    def took(self, *words: str) -> str:
        """Step over one of these words if it comes now."""
        return self.next() if self.ahead(*words) else ""

    def expect(self, *words: str) -> str:
        if not self.ahead(*words):
            self.fail(self.word)
        return self.next()

    def take(self, kind: str) -> str:
        if self.kind != kind:
            self.fail(self.word)
        return self.next()

    def text(self) -> str:
        word = self.take("text")
        return word[1:-1] if word[0] == "`" else re.sub(r"\\(.)", _unescape, word[1:-1])

    def log(self) -> Log:
        """`{a="b"} |= "c" | json | d > 1`."""
        self.expect("{")
        matchers = []
        while not self.took("}"):
            name = self.take("name")
            matchers.append((name, self.expect("=", "!=", "=~", "!~"), self.text()))
            if not self.ahead("}"):
                self.expect(",")
        stages, unwrapped = [], ""
        while sign := self.took("|=", "|~", "!=", "!~", "|"):
            if sign != "|":
                stages.append(pipeline.line_filter(sign, self.text()))
            elif self.took("unwrap"):
                unwrapped = self.take("name")
                stages.append(pipeline.unwrap(unwrapped))
            else:
                stages.append(self.stage(self.take("name")))
        return Log(pipeline.fits(matchers), tuple(stages), unwrapped)

    def stage(self, name: str) -> pipeline.Stage:
        """What comes after a `|`: a parser, or a test of a label."""
        if name == "json" and not self.ahead(*COMPARISONS):
            wanted = {}
            while self.kind == "name":
                key = self.next()
                wanted[key] = self.text() if self.took("=") else key
                self.took(",")
            return pipeline.json_parser(wanted)
        sign = self.expect(*COMPARISONS)
        if self.kind == "text":
            return pipeline.text_filter(name, sign, self.text())
        return pipeline.number_filter(name, sign, float(self.take("number")))

    def metric(self, level: int) -> Node:
        """Sums of products."""
        if level == len(ARITHMETIC):
            return self.term()
        left = self.metric(level + 1)
        while sign := self.took(*ARITHMETIC[level]):
            left = aggregation.combine(ARITHMETIC[level][sign], left, self.metric(level + 1))
        return left

    def term(self) -> Node:
        """A number, something in parentheses, or a function."""
        if self.kind == "number":
            return aggregation.constant(float(self.next()))
        if self.took("("):
            inner = self.metric(0)
            self.expect(")")
            return inner
        name = self.take("name")
        before = self.grouping()
        self.expect("(")
        if name == "vector":
            made = aggregation.constant({(): float(self.take("number"))})
            self.expect(")")
            return made
        function = self.function(name)
        self.expect(")")
        return function(before or self.grouping())

    def function(self, name: str) -> partial[Node]:
        """What stands within a function's parentheses; what is left to give is the grouping."""
        parameter = float(self.next()) if self.kind == "number" else 0.0
        self.took(",")
        if name in aggregation.RANGES:
            return partial(aggregation.over, self.log(), name, self.range(), parameter)
        if name in aggregation.AGGREGATIONS:
            return partial(aggregation.aggregate, self.metric(0), name, parameter)
        self.fail(name)

    def range(self) -> float:
        self.expect("[")
        span = seconds(self.take("time"))
        self.expect("]")
        return span

    def grouping(self) -> Grouping | None:
        """`by (a, b)` or `without (a)`, if it comes now."""
        word = self.took("by", "without")
        if not word:
            return None
        self.expect("(")
        names = []
        while not self.took(")"):
            names.append(self.take("name"))
            self.took(",")
        return word, frozenset(names)


def _unescape(found: re.Match[str]) -> str:
    return {"n": "\n", "t": "\t"}.get(found[1], found[1])
