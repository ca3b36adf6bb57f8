"""An answer that is lost on its way had its effect, and its bytes are known."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from unittest.mock import Mock

import pytest

from loadgen.checking.history import digest_of
from maitred.v1.booking_service_pb2 import PutBookingResponse
from maitred_client import AsyncMaitredClient, RetryPolicy, TransportError
from maitred_client.messages import GetBookingRequest
from server.torture.answers import (
    DATA,
    END_STREAM,
    HEAD,
    HEADERS,
    PADDED,
    PREFACE_BYTES,
    REQUEST_ID_HEAD,
    RST_STREAM,
    AnswerLoss,
    LostAnswers,
)
from server.torture.passage import Passage, TcpTarget
from tests.builders.world import World
from tests.conftest import Served

pytestmark = pytest.mark.shared_server


@asynccontextmanager
async def through_loss(server: Served, answers: LostAnswers) -> AsyncIterator[AsyncMaitredClient]:
    """A client whose one connection loses answers, and that repeats nothing by itself."""
    tampering = Mock(side_effect=partial(AnswerLoss, answers))
    passage = Passage(TcpTarget(int(server.address.rsplit(":", 1)[1])), tampering)
    address = f"127.0.0.1:{await passage.listen_tcp()}"
    try:
        async with AsyncMaitredClient(
            address, tenant_id=server.tenant_id, actor="torture", retry=RetryPolicy(attempts_max=1)
        ) as client:
            yield client
        tampering.assert_called_once()
    finally:
        await passage.close()


@pytest.fixture
def answers() -> LostAnswers:
    return LostAnswers(random.Random(1), digest_of)


async def test_a_lost_answer_had_its_effect_and_the_repeat_gets_its_very_bytes(
    server: Served, world: World, answers: LostAnswers
) -> None:
    request = world.booking_request()
    async with through_loss(server, answers) as client:
        answers.share = 1.0
        with pytest.raises(TransportError):
            await client.put_booking(request)
        answers.share = 0.0
        there = await world.client.get_booking(
            GetBookingRequest(restaurant_id=world.restaurant_id, booking_id=request.booking_id)
        )
        assert there.booking.booking_id == request.booking_id
        again: PutBookingResponse = await client.put_booking(request)
    assert answers.lost == 1
    assert answers.digests == {request.request_id: digest_of(again.SerializeToString(deterministic=True))}
    assert answers.differing == []


async def test_answers_that_are_not_lost_arrive_on_the_same_connection(
    server: Served, world: World, answers: LostAnswers
) -> None:
    """Headers are compressed with what went before on the connection, the lost ones included."""
    arrived = 0
    answers.share = 0.5
    async with through_loss(server, answers) as client:
        for _ in range(40):
            with suppress(TransportError):
                await client.put_booking(world.booking_request())
                arrived += 1
    assert arrived + answers.lost == 40
    assert 5 < answers.lost < 35
    assert len(answers.digests) == answers.lost


REQUEST_ID = "3f0e7a52-7f6b-4f0f-9d3b-0a8a3c1b2d4e"
MESSAGE_HEAD = bytes(5)
REQUEST = MESSAGE_HEAD + REQUEST_ID_HEAD + REQUEST_ID.encode()


def frame(kind: int, payload: bytes = b"", flags: int = 0) -> bytes:
    return HEAD.pack(0, len(payload), kind, flags, 1) + payload


def losing(answers: LostAnswers) -> AnswerLoss:
    """Of a connection on which a change has been asked for, and whose answers are lost."""
    answers.share = 1.0
    loss = AnswerLoss(answers)
    loss.sent(bytes(PREFACE_BYTES) + frame(DATA, REQUEST))
    return loss


def test_what_is_padded_is_remembered_without_the_padding(answers: LostAnswers) -> None:
    loss = losing(answers)
    padded = bytes((2,)) + MESSAGE_HEAD + b"answer" + bytes(2)
    loss.answered(frame(HEADERS) + frame(DATA, padded, PADDED) + frame(HEADERS, flags=END_STREAM))
    assert answers.digests == {REQUEST_ID: digest_of(b"answer")}


def test_an_answer_that_its_caller_gave_up_meanwhile_is_not_compared(answers: LostAnswers) -> None:
    loss = losing(answers)
    loss.answered(frame(HEADERS) + frame(DATA, MESSAGE_HEAD + b"ans"))
    loss.sent(frame(RST_STREAM, bytes(4)))
    loss.answered(frame(DATA, b"wer") + frame(HEADERS, flags=END_STREAM))
    assert answers.digests == {}


def test_frames_go_on_as_soon_as_they_are_whole(answers: LostAnswers) -> None:
    loss = AnswerLoss(answers)
    settings, ping = frame(4, bytes(6)), frame(6, bytes(8))
    assert loss.answered(settings) == settings
    assert loss.answered(ping[:12]) == b""
    assert loss.answered(ping[12:]) == ping


async def test_two_lost_answers_to_one_request_that_differ_are_told() -> None:
    answers = LostAnswers(random.Random(1), digest_of)
    answers.add("one", b"first")
    answers.add("two", b"first")
    answers.add("one", b"first")
    assert answers.differing == []
    answers.add("one", b"second")
    assert answers.differing == ["one"]
