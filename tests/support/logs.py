"""What is logged, for tests that care."""

import logging
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog
from structlog.testing import capture_logs


@contextmanager
def everything_logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """The lines of the log, whatever the level is that a server of another test has left behind."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(0))
    try:
        with capture_logs() as lines:
            yield lines
    finally:
        structlog.configure(**before)


@contextmanager
def unconfigured_logs() -> Iterator[None]:
    """Logging as it is before anybody configures it, here and after the block."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    structlog.reset_defaults()
    try:
        yield
    finally:
        structlog.configure(**before)
        root.handlers[:] = handlers
        root.setLevel(level)
