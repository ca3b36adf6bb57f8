"""What is logged, for tests that care."""

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
