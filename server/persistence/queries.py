"""Named, described SQL queries read from the `.sql` files next to this module.

A file holds blocks of this shape; what stands between two names belongs to the first one::

    -- name: find_hold
    -- The hold with this id, if this restaurant has it.
    SELECT hold_id, booking_id FROM holds WHERE restaurant_id = $1 AND hold_id = $2;

The comment lines directly under the name are the description: one sentence, wrapped as needed. Every query
has one, so that a reader of the file never has to find the caller to know what a query is for.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

_NAME: Final = re.compile(r"--\s*name:\s*(?P<name>\S*)\s*$")
_IDENTIFIER: Final = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Query:
    """One statement. `file` is the stem of its `.sql` file; `sql` has no trailing semicolon."""

    file: str
    name: str
    description: str
    sql: str


class Queries(Mapping[str, str]):
    """The statements of one file by name: `QUERIES["find_hold"]` is the SQL text.

    An unknown name raises `KeyError` naming the file and what it does have.
    """

    def __init__(self, file: str, queries: Mapping[str, Query]) -> None:
        self._file = file
        self._queries = dict(queries)

    def __getitem__(self, name: str) -> str:
        return self.query(name).sql

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)

    def __len__(self) -> int:
        return len(self._queries)

    def query(self, name: str) -> Query:
        """The statement together with its description."""
        try:
            return self._queries[name]
        except KeyError:
            known = ", ".join(self._queries)
            raise KeyError(f"{self._file}.sql has no query {name!r}; it has: {known}") from None


def load_queries(file: str) -> Queries:
    """Reads `sql/<file>.sql`. Meant to be called once, at import, so that a broken file stops the process."""
    text = (_folder() / f"{file}.sql").read_text(encoding="utf-8")
    return parse_queries(file, text)


def parse_queries(file: str, text: str) -> Queries:
    """Parses the text of one file; raises ValueError at the first thing that breaks the format."""
    found: dict[str, Query] = {}
    for line_number, name, body in _blocks(file, text):
        if not _IDENTIFIER.fullmatch(name):
            raise ValueError(f"{file}.sql:{line_number}: {name!r} is no lower_snake_case query name")
        if name in found:
            raise ValueError(f"{file}.sql:{line_number}: a second query named {name!r}; rename one")
        found[name] = _query(file, name, line_number, body)
    return Queries(file, found)


def _folder() -> Traversable:
    return resources.files(__package__) / "sql"


def _blocks(file: str, text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yields (line number, name, lines below the name) for each block of a file."""
    current: tuple[int, str, list[str]] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        named = _NAME.match(line)
        if named:
            if current:
                yield current
            current = (number, named["name"], [])
        elif current:
            current[2].append(line)
        elif line.strip() and not line.startswith("--"):
            raise ValueError(f"{file}.sql:{number}: SQL before the first '-- name:' line")
    if current:
        yield current


def _query(file: str, name: str, line_number: int, body: list[str]) -> Query:
    head = 0
    while head < len(body) and body[head].startswith("--"):
        head += 1
    description = " ".join(line.removeprefix("--").strip() for line in body[:head]).strip()
    sql = "\n".join(body[head:]).strip().removesuffix(";").rstrip()
    if not description.endswith("."):
        raise ValueError(
            f"{file}.sql:{line_number}: {name} needs a description, one sentence with a full stop, "
            "in the comment lines directly under its name"
        )
    if not sql:
        raise ValueError(f"{file}.sql:{line_number}: {name} has no SQL")
    return Query(file, name, description, sql)
