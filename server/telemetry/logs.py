"""Structured logs on standard error: one event per line, as JSON or for reading."""

import logging
import sys
from enum import StrEnum

import structlog
from structlog.typing import Processor


class LogForm(StrEnum):
    """How a line looks: for machines or for people."""

    JSON = "json"
    TEXT = "text"


LEVELS = ("debug", "info", "warning", "error")


def configure_logs(form: LogForm = LogForm.JSON, level: str = "info") -> None:
    """Sets up logging for the whole process. Libraries that use the standard module come out in the same form."""
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(_number(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
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


def _endings(form: LogForm) -> list[Processor]:
    if form is LogForm.TEXT:
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _number(level: str) -> int:
    if level not in LEVELS:
        raise ValueError(f"log level {level!r} is none of {', '.join(LEVELS)}")
    return logging.getLevelNamesMapping()[level.upper()]
