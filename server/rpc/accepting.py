"""Takes no more calls from gRPC than are done, while as many are in work as may be.

gRPC's server for asyncio hands over calls as fast as the event loop turns. On a busy processor those are more than can
be done: they pile up in work, out of the sight of the bound on calls that wait, and refusing one costs two fifths of a
hold. Left with gRPC they wait within that bound, and gRPC ends what is past it for next to nothing.
"""

import asyncio
import types
from collections.abc import Coroutine, Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import structlog

from server.rpc.admission import Admission

log = structlog.get_logger(__name__)

# What gRPC calls the coroutine that takes one call after the other. It offers no other way to hold that up.
TAKING_CALLS = "_server_main_loop"

Work: TypeAlias = Generator[Any, None, Any] | Coroutine[Any, Any, Any]


@contextmanager
def paced_by(admission: Admission) -> Iterator[None]:
    """A gRPC server that is started inside of the block takes its calls by `admission.room`."""
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    paced = False

    def task_of(at: asyncio.AbstractEventLoop, work: Work, **how: Any) -> "asyncio.Future[Any]":
        nonlocal paced
        if getattr(work, "__name__", "") == TAKING_CALLS:
            paced, work = True, _by_room(work, admission)
        return asyncio.Task(work, loop=at, **how) if before is None else before(at, work, **how)

    loop.set_task_factory(task_of)
    try:
        yield
    finally:
        loop.set_task_factory(before)
    if not paced:
        log.warning("calls_not_paced")


async def _by_room(taking: Work, admission: Admission) -> None:
    """Runs the coroutine to its end, and lets it go on from whatever it waited for only when there is room."""
    failure: BaseException | None = None
    while True:
        try:
            awaited = taking.send(None) if failure is None else taking.throw(failure)
        except StopIteration:
            return
        failure = None
        try:
            await _given(awaited)
            await admission.room()
        except BaseException as error:  # noqa: BLE001 the coroutine is told where it waits, and decides
            failure = error


@types.coroutine
def _given(awaited: Any) -> Generator[Any, None, None]:
    """Waits for what another coroutine has asked its task to wait for."""
    yield awaited
