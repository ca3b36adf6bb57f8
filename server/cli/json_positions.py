"""Where each value of a JSON text stands, so that a complaint about a value can name its line."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

JsonPath: TypeAlias = tuple[str | int, ...]

# The text is known to be valid JSON when this runs, so a lexeme is whatever starts here.
_LEXEME = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


@dataclass(frozen=True, slots=True)
class Positions:
    """Lines, counted from 1, of every value by its path, and of every key that an object has twice."""

    lines: dict[JsonPath, int]
    repeated_keys: tuple[tuple[JsonPath, int], ...]

    def line(self, path: JsonPath) -> int:
        """The line of the value at the path, or of the innermost enclosing value that exists."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


@dataclass(slots=True)
class _Open:
    path: JsonPath
    is_object: bool
    index: int = 0
    key: str | None = None
    keys: set[str] = field(default_factory=set)

    def child(self) -> JsonPath:
        if self.is_object:
            assert self.key is not None
            return (*self.path, self.key)
        return (*self.path, self.index)


def find_positions(text: str) -> Positions:
    """Walks a valid JSON text once. What it does on an invalid one is undefined; parse it first."""
    lines: dict[JsonPath, int] = {}
    repeated: list[tuple[JsonPath, int]] = []
    stack: list[_Open] = []
    for lexeme, line in _lexemes(text):
        top = stack[-1] if stack else None
        if lexeme in "}]":
            stack.pop()
        elif lexeme == ",":
            if top is not None:
                top.index, top.key = top.index + 1, None
        elif lexeme == ":":
            continue
        elif top is not None and top.is_object and top.key is None:
            top.key = str(json.loads(lexeme))
            if top.key in top.keys:
                repeated.append((top.child(), line))
            top.keys.add(top.key)
        else:
            path = top.child() if top is not None else ()
            lines[path] = line
            if lexeme in "{[":
                stack.append(_Open(path, lexeme == "{"))
    return Positions(lines, tuple(repeated))


def _lexemes(text: str) -> Iterator[tuple[str, int]]:
    line, seen = 1, 0
    for match in _LEXEME.finditer(text):
        line += text.count("\n", seen, match.start())
        seen = match.start()
        yield match.group(), line
