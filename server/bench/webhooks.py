"""A place where the webhooks of measured and tortured workers arrive."""

from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

SECRET = f"whsec_{b64encode(bytes(range(32))).decode()}"


@asynccontextmanager
async def listening(take: Callable[[web.BaseRequest], Awaitable[web.Response]]) -> AsyncIterator[int]:
    """The free port of loopback at which `take` gets every request while the block lasts."""
    runner = web.ServerRunner(web.Server(take), shutdown_timeout=0.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
