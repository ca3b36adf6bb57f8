"""Where output goes: results to stdout as table, JSON or JSON lines; everything else to stderr."""

import json
import os
import select
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, TextIO, cast

from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType
from rich.measure import Measurement, measure_renderables
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

# Wider than any table gets.
WIDTH_MAX = 10_000


class Format(StrEnum):
    """How a result is written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


class OutputError(Exception):
    """Standard output takes nothing more, and not because its reader has gone."""


class Stream:
    """A standard stream that falls silent when its reader has gone: the command goes on to its own exit code.

    What standard output cannot take for another reason is an OutputError. Standard error loses what it cannot take, and
    goes on: there may be room again for later lines of a log.
    """

    def __init__(self, stream: TextIO, *, has_results: bool) -> None:
        self._stream = stream
        self._has_results = has_results
        self.is_silent = False

    def write(self, text: str) -> int:
        """As every stream does."""
        try:
            self._stream.write(text)
        except OSError as error:
            self._not_taken(error)
        return len(text)

    def flush(self) -> None:
        """As every stream does."""
        try:
            self._stream.flush()
        except OSError as error:
            self._not_taken(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _not_taken(self, error: OSError) -> None:
        reader_gone = isinstance(error, BrokenPipeError)
        if reader_gone or self._has_results:
            self.is_silent = True
            # Lets go of what could not be written, too: Python would complain about it once more at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        if self._has_results and not reader_gone:
            raise OutputError(error.strerror or str(error)) from None


@contextmanager
def standard_streams() -> Iterator[None]:
    """Whatever is written meanwhile, by us or for us, a help page too, goes through a Stream."""
    if sys.stdin is None:
        # Something has to have its number: the event loop ends the process when it closes what got it by chance.
        os.open(os.devnull, os.O_RDONLY)
    out, err = sys.stdout, sys.stderr
    try:
        sys.stdout = cast(TextIO, Stream(out or _nowhere(), has_results=True))
        sys.stderr = cast(TextIO, Stream(err or _nowhere(), has_results=False))
        yield
    finally:
        sys.stdout, sys.stderr = out, err


def _nowhere() -> TextIO:
    """For a stream that was closed from the beginning. It takes that one's number, before a socket does."""
    return Path(os.devnull).open("w", encoding="utf-8")


@cache
def results() -> Console:
    """The console for results. It follows sys.stdout, its width, NO_COLOR and whether it is a terminal."""
    # Whatever stands between colons may be a part of an address.
    return Console(highlight=False, emoji=False)


@cache
def errors() -> Console:
    """The console for progress and complaints."""
    return Console(stderr=True, highlight=False, emoji=False)


def _written(write: Callable[[], None]) -> bool:
    """Whether somebody reads what is written, which has left this process. Raises OutputError when it cannot."""
    write()
    sys.stdout.flush()
    return not getattr(sys.stdout, "is_silent", False)


def is_read() -> bool:
    """Whether standard output still has a reader: a pipe is known to have none before anything more is written."""
    watched = select.poll()
    watched.register(sys.stdout.fileno(), 0)
    return not any(event & (select.POLLERR | select.POLLHUP) for _, event in watched.poll(0))


def typed(program: str) -> str:
    """How a person types a program's name here: as it is when the shell finds it, else with the path to it."""
    if shutil.which(program):
        return program
    beside = Path(sys.executable).parent / program
    if not beside.exists():
        return program
    here = Path.cwd()
    return shlex.quote(str(beside.relative_to(here) if beside.is_relative_to(here) else beside))


def progress_bar() -> Progress:
    """On stderr, gone when its block is left; nothing where there is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=errors(), disable=not errors().is_terminal, transient=True)


def note(text: str) -> None:
    """One line of progress for people, on stderr."""
    errors().print(Text(text, style="dim"), soft_wrap=True)


def show(*parts: RenderableType) -> bool:
    """Prints renderables as results. False when their reader has gone: what has no end may end then."""

    def write() -> None:
        for part in parts:
            if isinstance(part, Table):
                _print_whole(part)
            else:
                # Lines of text may be copied from the screen: they are not broken at its width.
                results().print(part, soft_wrap=isinstance(part, str | Text))

    return _written(write)


def _print_whole(table: Table) -> None:
    """Fits it to the width as far as no word has to be broken for that: an id is of no use without its end."""
    console = results()
    options = console.options.update(max_width=WIDTH_MAX)
    whole = Measurement.get(console, options, table)
    if whole.maximum > console.width:
        table.width = max(console.width, whole.minimum)
        _share_out(table, table.width - whole.minimum, options)
    console.print(table, crop=False)


def _share_out(table: Table, room: int, options: ConsoleOptions) -> None:
    """Gives every column its longest word, and of the `room` that is left what it wants or an equal share."""
    wants = []
    for column in table.columns:
        span = measure_renderables(results(), options, [Text(str(column.header)), *column.cells])
        column.width = max(span.minimum, column.min_width or 0)
        wants.append((span.maximum - column.width, column))
    wants.sort(key=lambda want: want[0])
    for others, (wanted, column) in zip(range(len(wants), 0, -1), wants, strict=True):
        given = min(wanted, room // others)
        column.width = (column.width or 0) + given
        room -= given


def write_json(value: Any, form: Format) -> bool:
    """Writes a value, and nothing but it, to stdout. As JSON lines, every item of a list gets its line.

    False when its reader has gone.
    """
    readable = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"

    def write() -> None:
        if form is Format.JSON:
            sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=not readable) + "\n")
            return
        for item in value if isinstance(value, list) else [value]:
            sys.stdout.write(json.dumps(item, ensure_ascii=not readable, separators=(",", ":")) + "\n")

    return _written(write)


def grid(columns: Sequence[str], rows: Iterable[Sequence[object]], *, kept: int = 1) -> Table:
    """A plain table. A column whose name ends in ">" is set flush right; the first `kept` are never wrapped."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    lines = [tuple(map(_text, row)) for row in rows]
    for index, column in enumerate(columns):
        justify: JustifyMethod = "right" if column.endswith(">") else "left"
        title = column.rstrip(">")
        cells = (Text(title), *(line[index] for line in lines)) if index < kept else ()
        table.add_column(
            title, justify=justify, no_wrap=index < kept, overflow="fold", min_width=_width(cells)
        )
    for line in lines:
        table.add_row(*line)
    return table


def facts(pairs: Iterable[tuple[str, object]]) -> Table:
    """Names and values, one pair per line."""
    table = Table.grid(padding=(0, 2))
    lines = [(Text(name), _text(value)) for name, value in pairs]
    table.add_column(style="dim", no_wrap=True, min_width=_width(name for name, _ in lines))
    table.add_column()
    for line in lines:
        table.add_row(*line)
    return table


def _text(value: object) -> Text:
    return value if isinstance(value, Text) else Text(str(value))


def _width(cells: Iterable[Text]) -> int | None:
    return max((cell.cell_len for cell in cells), default=None)
