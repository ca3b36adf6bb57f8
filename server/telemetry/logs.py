"""Structured logs on standard error: one event per line, as JSON or for reading."""

import json
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from functools import cache
from threading import Lock
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from server.telemetry.traces import trace_at_hand


class LogForm(StrEnum):
    """How a line looks: for machines or for people."""

    JSON = "json"
    TEXT = "text"


LEVELS = ("debug", "info", "warning", "error")


def configure_logs(form: LogForm = LogForm.JSON, level: str = "info") -> None:
    """Sets up logging for the whole process. Libraries that use the standard module come out in the same form.

    What is ours goes the short way, past the standard module: there is a line for every call.
    """
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _traced,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*before, *_endings(form)],
        wrapper_class=structlog.make_filtering_bound_logger(_number(level)),
        logger_factory=_Written(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_endings(form)],
        )
    )
    # The pool tells each failed attempt to reconnect with a traceback; that the database is away is told once, by us.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_number(level))


class _Written:
    """Writes finished lines. Where they cannot be written any more, whoever tells something goes on all the same."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._one_at_a_time = Lock()

    def __call__(self, *_names: object) -> "_Written":
        """Itself, as the logger of everybody."""
        return self

    def msg(self, line: str) -> None:
        with self._one_at_a_time, suppress(OSError, ValueError):
            self._file.write(line + "\n")
            self._file.flush()

    debug = info = warning = error = critical = exception = msg


def _traced(_logger: object, _method: str, line: EventDict) -> EventDict:
    """A line that is written while a call is traced can be found from its trace, and the trace from it."""
    line.update(trace_at_hand())
    return line


def _endings(form: LogForm) -> list[Processor]:
    if form is LogForm.TEXT:
        # The renderer's own tracebacks show what is in variables, and take half a second.
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_json)]


def _json(line: Any, default: Callable[[Any], Any]) -> str:
    return _encoder(default).encode(line)


@cache
def _encoder(default: Callable[[Any], Any]) -> json.JSONEncoder:
    """`json.dumps` would make one for each line."""
    return json.JSONEncoder(default=default)


def _number(level: str) -> int:
    if level not in LEVELS:
        raise ValueError(f"log level {level!r} is none of {', '.join(LEVELS)}")
    return logging.getLevelNamesMapping()[level.upper()]
