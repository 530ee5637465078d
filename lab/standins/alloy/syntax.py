"""Alloy's block syntax: attributes, blocks with labels, and values without arithmetic or calls."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..common.config import ConfigError

TOKEN = re.compile(
    r"(?P<space>\s+|//[^\n]*)|(?P<string>\"(?:[^\"\\\n]|\\.)*\")|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|(?P<mark>[][{}=,])|(?P<unknown>.)"
)
WORDS = {"true": True, "false": False, "null": None}


@dataclass
class Block:
    """`name "label" { … }`; the file itself is a block without a name. A reference is its dotted name."""

    name: str = ""
    label: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    blocks: list["Block"] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"{self.name}.{self.label}" if self.label else self.name


class Token(NamedTuple):
    """A piece of the text, and the line it is in."""

    kind: str
    text: str
    line: int


def tokens(text: str) -> Iterator[Token]:
    """Cut a text into pieces; the last one is empty."""
    line = 1
    for match in TOKEN.finditer(text):
        if match.lastgroup != "space":
            yield Token(str(match.lastgroup), match[0], line)
        line += match[0].count("\n")
    yield Token("end", "", line)


class Parser:
    """Reads one file; its methods take from the front of what is left."""

    def __init__(self, text: str) -> None:
        self.left = list(tokens(text))

    def take(self, *wanted: str) -> Token:
        """Take one piece, of a wanted kind or text; ConfigError for another."""
        token = self.left[0]
        if wanted and token.kind not in wanted and token.text not in wanted:
            found = repr(token.text) if token.text else "the end of the file"
            raise ConfigError(f"line {token.line}: expected {' or '.join(wanted)}, not {found}")
        return self.left.pop(0)

    def body(self, into: Block, end: str) -> Block:
        """Read attributes and blocks, up to a closing brace or to the end of the file."""
        while self.left[0].text != end:
            name = self.take("name")
            if self.left[0].text == "=":
                if name.text in into.attributes:
                    raise ConfigError(f"line {name.line}: attribute {name.text!r} is given twice")
                self.take()
                into.attributes[name.text] = self.value()
            else:
                label = self.value() if self.left[0].kind == "string" else ""
                self.take("{")
                into.blocks.append(self.body(Block(name.text, label), "}"))
        self.take()
        return into

    def value(self) -> Any:
        """Read a value: text, number, word, list, object or reference."""
        token = self.take("string", "number", "name", "[", "{")
        if token.kind == "name":
            return WORDS.get(token.text, token.text)
        if token.kind == "mark":
            return self.items("]", self.value) if token.text == "[" else dict(self.items("}", self.pair))
        return json.loads(token.text)

    def items(self, end: str, one: Callable[[], Any]) -> list[Any]:
        """Read what stands between brackets, with commas."""
        found = []
        while self.left[0].text != end:
            found.append(one())
            if self.left[0].text != end:
                self.take(",")
        self.take()
        return found

    def pair(self) -> tuple[str, Any]:
        """Read `name = value` of an object."""
        name = self.take("name", "string").text.strip('"')
        self.take("=")
        return name, self.value()
