"""Work beside the calls of an event loop."""

import asyncio
from contextvars import ContextVar
from threading import Event

import pytest

from server.aside import aside

called_by: ContextVar[str] = ContextVar("called_by")


async def test_work_sees_the_call_that_asks_for_it_and_what_it_raises_comes_out() -> None:
    called_by.set("me")
    assert await aside(called_by.get) == "me"
    with pytest.raises(ZeroDivisionError):
        await aside(lambda: 1 // 0, long=True)


async def test_what_is_short_never_waits_for_what_is_long() -> None:
    done = Event()
    long = [asyncio.create_task(aside(done.wait, long=True)) for _ in range(3)]
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(30):
            assert await aside(lambda: "short") == "short"
    finally:
        done.set()
    assert await asyncio.gather(*long) == [True] * 3


async def test_work_that_nobody_waits_for_any_more_is_not_begun() -> None:
    done, begun = Event(), []
    first = asyncio.create_task(aside(done.wait, long=True))
    second = asyncio.create_task(aside(lambda: begun.append("second"), long=True))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    done.set()
    await first
    await aside(lambda: None, long=True)
    assert begun == []
