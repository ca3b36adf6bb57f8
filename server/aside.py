"""Work that keeps a processor busy, beside the calls of an event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

ResultT = TypeVar("ResultT")

# Threads of Python take turns. More of them get no more done, and the event loop would wait for its turn behind all.
_short = ThreadPoolExecutor(2, thread_name_prefix="aside")
# What takes longer has a thread of its own, so that nothing short waits behind it.
_long = ThreadPoolExecutor(1, thread_name_prefix="aside-long")


async def aside(work: Callable[[], ResultT], *, long: bool = False) -> ResultT:
    """What the work returns. `long` is for work of more than a tenth of a second.

    Work comes in turn. When whoever waits for it is cancelled, it is not begun any more.
    """
    context = copy_context()
    return await asyncio.get_running_loop().run_in_executor(_long if long else _short, context.run, work)
