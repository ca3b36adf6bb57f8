"""A real HTTP server that receives webhooks."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Posted:
    """One request as it came in, the names of its headers in lower case."""

    headers: Mapping[str, str]
    body: bytes
    connection: object


@dataclass(frozen=True, slots=True)
class Answer:
    """How to answer a request."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class WebhookReceiver:
    """Keeps what is posted to /events, and answers 204 unless it was told of another answer.

    `on_post`, where there is one, is called before the answer, with what was posted, and may give another answer.
    """

    def __init__(self) -> None:
        self.posted: list[Posted] = []
        self.answers: list[Answer] = []
        self.elsewhere: list[str] = []
        self.on_post: Callable[[Posted], Awaitable[Answer | None]] | None = None
        self.port = 0

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        answer = self.answers.pop(0) if self.answers else Answer(204)
        if request.path != "/events":
            self.elsewhere.append(request.path)
        else:
            body = await request.read()
            posted = Posted(_lower(request.headers), body, request.transport)
            if self.on_post is not None:
                answer = await self.on_post(posted) or answer
            if answer.status < 300:
                self.posted.append(posted)
        return web.Response(status=answer.status, headers=dict(answer.headers), body=answer.body)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@asynccontextmanager
async def receiving_webhooks() -> AsyncIterator[WebhookReceiver]:
    receiver = WebhookReceiver()
    runner = web.ServerRunner(web.Server(receiver), shutdown_timeout=0.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.port = runner.addresses[0][1]
    try:
        yield receiver
    finally:
        await runner.cleanup()
