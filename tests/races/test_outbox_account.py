"""The account of a kill run sees whatever may go wrong on an event's way, and nothing where nothing is wrong."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain
from uuid import UUID, uuid4

import pytest

from server.outbox.encoding import cloud_event
from server.outbox.events import OutboxEvent
from server.outbox.sinks.signature import read_secret, signed_headers
from tests.builders.events import on_its_way
from tests.conformance.receivers import SECRET
from tests.races.outbox_account import unsettled, unsigned, wrong_at
from tests.support.outbox import Received, delivery, put_events, queue_on
from tests.support.webhook_receiver import Posted

Messages = list[tuple[str, bytes]]
ONE, OTHER = UUID(int=1), UUID(int=2)


def history(restaurant_id: UUID) -> list[OutboxEvent]:
    """Three changes, the second with two events."""
    places = ((1, 1), (2, 1), (2, 2), (3, 1))
    return [
        on_its_way(restaurant_id=restaurant_id, floor_version=version, position=position)
        for version, position in places
    ]


def told(events: Iterable[OutboxEvent]) -> Messages:
    return [(str(event.event_id), cloud_event(event)) for event in events]


COMMITTED = history(ONE) + history(OTHER)
# One event of each restaurant in turn.
DELIVERED = told(chain.from_iterable(zip(COMMITTED[:4], COMMITTED[4:], strict=True)))


def wrong(received: Messages) -> str:
    return "; ".join(wrong_at("sink", received, COMMITTED))


def test_everything_in_order_is_right_and_so_are_repeats() -> None:
    assert wrong(DELIVERED) == ""
    assert wrong(DELIVERED[:5] + DELIVERED[2:5] + DELIVERED[:2] + DELIVERED[5:]) == ""


def dropped(messages: Messages) -> Messages:
    return messages[:3] + messages[4:]


def dropped_at_the_end(messages: Messages) -> Messages:
    return messages[:-1]


def reordered(messages: Messages) -> Messages:
    return [messages[2], messages[1], messages[0], *messages[3:]]


def repeated_with_another_id(messages: Messages) -> Messages:
    return [*messages, (str(uuid4()), messages[-1][1])]


def repeated_with_another_content(messages: Messages) -> Messages:
    event_id, content = messages[0]
    return [*messages, (event_id, json.dumps(json.loads(content) | {"sequence": "9"}).encode())]


def never_committed(messages: Messages) -> Messages:
    return messages + told([on_its_way(restaurant_id=ONE, floor_version=4)])


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (dropped, "1 events of .* are missing"),
        (dropped_at_the_end, "1 events of .* are missing"),
        (reordered, "the events of .* came in another order"),
        (repeated_with_another_id, "was invented"),
        (repeated_with_another_content, "says something else than was committed"),
        (never_committed, "was invented"),
    ],
)
def test_each_damage_is_named(damage: Callable[[Messages], Messages], sentence: str) -> None:
    problems = wrong(damage(DELIVERED))
    with pytest.raises(AssertionError, match=sentence):
        raise AssertionError(problems)


def test_a_signature_that_does_not_fit_is_named() -> None:
    body = b'{"id": "7"}'
    genuine = Posted(signed_headers([read_secret(SECRET)], "7", 1_900_000_000, body), body, None)
    assert list(unsigned([genuine])) == []
    assert list(unsigned([replace(genuine, body=b'{"id": "8"}')])) == ["webhook: 7 is not signed"]


async def test_an_event_that_was_delivered_and_not_settled_is_named(database_url: str) -> None:
    await put_events(database_url, versions=2)
    async with queue_on(database_url) as queue:
        await queue.adopt()
        (run,) = await queue.claim(1, 10)
        settlement = await delivery(Received())(run)
        assert [sentence.partition(" is ")[2] for sentence in await unsettled(database_url)] == [
            "pending: None"
        ] * 2
        await queue.settle([settlement])
    assert await unsettled(database_url) == []
