"""What can happen to a connection on its way, on real sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from server.torture.passage import Link, Passage, TcpTarget

WAIT_S = 60.0
LARGE = bytes(range(256)) * 20_000


class Caller:
    """A client's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def hear(self, size: int) -> bytes:
        return await asyncio.wait_for(self._reader.readexactly(size), WAIT_S)

    async def hear_all(self) -> bytes:
        """Until the connection is gone, however it goes."""
        heard = b""
        with suppress(ConnectionError):
            while data := await asyncio.wait_for(self._reader.read(65_536), WAIT_S):
                heard += data
        return heard


class Echo:
    """Answers everything with itself, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked = b""
        self.answered = asyncio.Event()
        self.left = asyncio.Event()
        self.writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                self.asked += data
                writer.write(data)
                await writer.drain()
                self.answered.set()
        self.left.set()
        writer.close()


@dataclass(frozen=True, slots=True)
class LateTarget(TcpTarget):
    """Is reached when it is allowed to."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    async def connect(self, protocol: Callable[[], Any]) -> None:
        self.asked.set()
        await self.answers.wait()
        await TcpTarget.connect(self, protocol)


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[Echo, int]]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    try:
        yield echo, server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def through(there: int) -> AsyncIterator[tuple[Passage, int]]:
    passage = Passage(TcpTarget(there))
    try:
        yield passage, await passage.listen_tcp()
    finally:
        await passage.close()


@asynccontextmanager
async def calling(port: int) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Caller(reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Echo, Caller, Link, int]]:
    """A caller of an echo, with the connection between them, over which something has gone both ways, and its port."""
    async with echoing() as (echo, there), through(there) as (passage, port), calling(port) as caller:
        caller.say(b"first")
        assert await caller.hear(5) == b"first"
        (link,) = passage.links
        echo.answered.clear()
        yield echo, caller, link, port


async def often_answered(other: Caller) -> None:
    """By then whatever was said before over another connection would have arrived."""
    for _ in range(20):
        other.say(b".")
        await other.hear(1)


async def test_bytes_go_through_both_ways_as_they_are() -> None:
    async with connected() as (_, caller, _link, _port):
        caller.say(LARGE)
        assert await caller.hear(len(LARGE)) == LARGE


async def test_a_connection_that_is_cut_ends_for_both() -> None:
    async with echoing() as (echo, there), through(there) as (passage, port), calling(port) as caller:
        caller.say(b"first")
        await caller.hear(5)
        (link,) = passage.links
        link.cut()
        assert await caller.hear_all() == b""
        await asyncio.wait_for(echo.left.wait(), WAIT_S)
        assert passage.links == set()


async def test_a_caller_that_hangs_up_leaves_the_server_as_well() -> None:
    async with connected() as (echo, caller, _link, _port):
        caller.writer.close()
        await asyncio.wait_for(echo.left.wait(), WAIT_S)


async def test_an_answer_that_is_cut_in_the_middle_arrives_by_half() -> None:
    async with connected() as (echo, caller, link, _port):
        link.cut_in_mid_answer()
        caller.say(b"question")
        assert await caller.hear_all() == b"ques"
        assert echo.asked.endswith(b"question")


async def test_a_swallowed_answer_had_its_request() -> None:
    async with connected() as (echo, caller, link, _port):
        link.swallow()
        caller.say(b"question")
        await asyncio.wait_for(echo.answered.wait(), WAIT_S)
        link.cut()
        assert await caller.hear_all() == b""
        assert echo.asked == b"firstquestion"


async def test_a_stalled_connection_loses_nothing() -> None:
    async with connected() as (echo, caller, link, port), calling(port) as other:
        link.stall()
        caller.say(b"question")
        await caller.writer.drain()
        await often_answered(other)
        assert b"question" not in echo.asked
        link.resume()
        assert await caller.hear(8) == b"question"


async def test_a_stalled_connection_tells_its_caller_nothing() -> None:
    async with connected() as (echo, caller, link, port):
        assert echo.writer is not None
        link.stall()
        echo.writer.write(b"news")
        hearing = asyncio.create_task(caller.hear(4))
        async with calling(port) as other:
            await often_answered(other)
        assert not hearing.done()
        link.resume()
        assert await hearing == b"news"


async def test_what_is_slowed_waits_on_its_way() -> None:
    async with connected() as (echo, caller, link, port), calling(port) as other:
        link.slow(WAIT_S)
        caller.say(b"question")
        await caller.writer.drain()
        await often_answered(other)
        assert b"question" not in echo.asked


async def test_a_slowed_connection_keeps_the_order() -> None:
    async with connected() as (_, caller, link, _port):
        link.slow(0.001)
        caller.say(LARGE)
        assert await caller.hear(len(LARGE)) == LARGE


async def test_what_comes_when_a_connection_is_fast_again_does_not_overtake_what_was_slowed() -> None:
    async with connected() as (_, caller, link, port), calling(port) as other:
        link.slow(0.05)
        caller.say(b"first")
        await caller.writer.drain()
        await often_answered(other)
        link.slow(0.0)
        caller.say(b"second")
        assert await caller.hear(11) == b"firstsecond"


async def test_a_passage_that_closes_cuts_its_connections_and_takes_no_more() -> None:
    async with echoing() as (_, there), through(there) as (passage, port), calling(port) as caller:
        caller.say(b"first")
        await caller.hear(5)
        await passage.close()
        assert await caller.hear_all() == b""
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_a_caller_whom_nobody_takes_is_cut_off() -> None:
    async with echoing() as (_, there):
        pass
    async with through(there) as (_, port), calling(port) as caller:
        assert await caller.hear_all() == b""


async def test_a_caller_that_is_gone_before_its_target_is_reached_keeps_no_connection_to_it() -> None:
    async with echoing() as (echo, there):
        target = LateTarget(there)
        passage = Passage(target)
        async with calling(await passage.listen_tcp()):
            await asyncio.wait_for(target.asked.wait(), WAIT_S)
            (link,) = passage.links
            link.cut()
        target.answers.set()
        await asyncio.wait_for(echo.left.wait(), WAIT_S)
        await passage.close()
