"""O4: What every sink promises, each with a real receiver behind it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress

import pytest

from server.outbox.events import OutboxEvent
from server.outbox.ports import Undeliverable
from tests.builders.events import every_event, on_its_way
from tests.conformance.receivers import RECEIVERS, Places, Receiver

PATIENCE_S = 20.0
HASTE_S = 1.0
# Nothing comes between a process and its own log.
FAR_AWAY = sorted(RECEIVERS.keys() - {"log"})
far_away = pytest.mark.parametrize("receiver", FAR_AWAY, indirect=True)


@pytest.fixture(params=sorted(RECEIVERS))
async def receiver(request: pytest.FixtureRequest, places: Places) -> AsyncIterator[Receiver]:
    """A receiver of every kind, its sink open."""
    async with RECEIVERS[request.param](places, PATIENCE_S) as made:
        await made.sink.open()
        yield made
        await made.sink.close()


async def ids(receiver: Receiver) -> list[str]:
    return [received.event_id for received in await receiver.received()]


async def test_a_sink_has_the_name_by_which_it_is_configured(receiver: Receiver) -> None:
    assert receiver.sink.name in RECEIVERS


async def test_an_event_of_every_type_arrives_once_and_in_order(receiver: Receiver) -> None:
    events = [on_its_way(event, floor_version=n) for n, event in enumerate(every_event(), 1)]
    for event in events:
        await receiver.sink.deliver(event)
    assert await ids(receiver) == [str(event.event_id) for event in events]


async def test_a_repeat_is_dropped_or_can_be_recognised(receiver: Receiver) -> None:
    event, other = on_its_way(), on_its_way()
    for each in (event, event, other, event):
        await receiver.sink.deliver(each)
    received = await receiver.received()
    assert len(received) == (2 if receiver.drops_repeats else 4)
    assert {each.event_id for each in received} == {str(event.event_id), str(other.event_id)}
    # A repeat differs in nothing from the first time.
    assert len(set(received)) == 2


async def test_many_events_at_once_all_arrive_over_few_connections(receiver: Receiver) -> None:
    events = [on_its_way(floor_version=n) for n in range(1, 41)]
    await asyncio.gather(*(receiver.sink.deliver(event) for event in events))
    assert sorted(await ids(receiver)) == sorted(str(event.event_id) for event in events)
    assert receiver.gate is None or 0 < receiver.gate.entered <= receiver.connections_max


async def test_an_event_of_an_unknown_type_is_never_taken_for_delivered(receiver: Receiver) -> None:
    with pytest.raises(Undeliverable):
        await receiver.sink.deliver(on_its_way(event_type="capacity.hold.imagined"))
    assert await ids(receiver) == []


async def test_closing_twice_and_closing_what_was_never_opened_is_harmless(
    receiver: Receiver, places: Places
) -> None:
    await receiver.sink.deliver(on_its_way())
    await receiver.sink.close()
    await receiver.sink.close()
    async with RECEIVERS[receiver.sink.name](places, PATIENCE_S) as unopened:
        await unopened.sink.close()


async def test_a_delivery_that_is_over_leaves_nothing_running(receiver: Receiver) -> None:
    running = []
    for _ in range(3):
        await receiver.sink.deliver(on_its_way())
        for _ in range(5):
            await asyncio.sleep(0)
        running.append(len(asyncio.all_tasks()))
    assert running[2] == running[0]


@pytest.mark.parametrize("receiver", ["webhook", "nats"], indirect=True)
async def test_a_sink_that_was_closed_has_no_connection_any_more(receiver: Receiver) -> None:
    await receiver.sink.deliver(on_its_way())
    assert receiver.way.connections == 1
    await receiver.sink.close()
    async with asyncio.timeout(PATIENCE_S):
        while receiver.way.connections:  # noqa: ASYNC110 - a gate tells nobody
            await asyncio.sleep(0.01)


async def test_a_sink_can_be_opened_again(receiver: Receiver) -> None:
    first, second = on_its_way(), on_its_way()
    await receiver.sink.deliver(first)
    await receiver.sink.close()
    await receiver.sink.open()
    await receiver.sink.deliver(second)
    assert await ids(receiver) == [str(first.event_id), str(second.event_id)]


# Receivers that are out of reach


@far_away
async def test_a_receiver_that_goes_away_is_found_again(receiver: Receiver) -> None:
    before, meanwhile = on_its_way(), on_its_way()
    await receiver.sink.deliver(before)
    await receiver.way.shut()
    await require_again(receiver, meanwhile)
    await require_again(receiver, meanwhile)
    await receiver.way.open()
    await receiver.sink.deliver(meanwhile)
    assert await ids(receiver) == [str(before.event_id), str(meanwhile.event_id)]


@far_away
async def test_a_connection_that_is_cut_during_a_delivery_ends_it_at_once(receiver: Receiver) -> None:
    before, cut = on_its_way(), on_its_way()
    await receiver.sink.deliver(before)
    receiver.way.stick()
    delivering = asyncio.create_task(require_again(receiver, cut))
    await receiver.way.swallowed.wait()
    await receiver.way.shut()
    await delivering
    receiver.way.loosen()
    await receiver.way.open()
    await receiver.sink.deliver(cut)
    assert await ids(receiver) == [str(before.event_id), str(cut.event_id)]


@far_away
async def test_one_that_is_cut_while_another_could_be_made_ends_it_at_once_as_well(
    receiver: Receiver,
) -> None:
    before, cut = on_its_way(), on_its_way()
    await receiver.sink.deliver(before)
    receiver.way.stick()
    delivering = asyncio.create_task(require_again(receiver, cut))
    await receiver.way.swallowed.wait()
    await receiver.way.cut()
    await delivering
    receiver.way.loosen()
    await receiver.sink.deliver(cut)
    assert list(dict.fromkeys(await ids(receiver))) == [str(before.event_id), str(cut.event_id)]


@pytest.mark.parametrize("name", ["webhook", "nats"])
async def test_a_receiver_that_is_away_keeps_nobody_from_starting(name: str, places: Places) -> None:
    event = on_its_way()
    async with RECEIVERS[name](places, PATIENCE_S) as receiver:
        await receiver.way.shut()
        await receiver.sink.open()
        await require_again(receiver, event)
        await receiver.way.open()
        await receiver.sink.deliver(event)
        assert await ids(receiver) == [str(event.event_id)]
        await receiver.sink.close()


@pytest.mark.parametrize("name", FAR_AWAY)
async def test_a_receiver_that_hangs_is_given_up_and_served_once_it_answers(
    name: str, places: Places
) -> None:
    before, stuck = on_its_way(), on_its_way()
    async with RECEIVERS[name](places, HASTE_S) as receiver:
        await receiver.sink.open()
        await deliver_in_the_end(receiver, before)
        receiver.way.stick()
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(TimeoutError):
                await receiver.sink.deliver(stuck)
        receiver.way.loosen()
        await deliver_in_the_end(receiver, stuck)
        assert list(dict.fromkeys(await ids(receiver))) == [str(before.event_id), str(stuck.event_id)]
        await receiver.sink.close()


@pytest.mark.parametrize("name", FAR_AWAY)
async def test_many_events_that_meet_a_receiver_that_hangs_do_not_wait_for_each_other(
    name: str, places: Places
) -> None:
    async with RECEIVERS[name](places, HASTE_S) as receiver:
        await receiver.sink.open()
        receiver.way.stick()
        attempts = (receiver.sink.deliver(on_its_way()) for _ in range(2 * int(PATIENCE_S / HASTE_S)))
        async with asyncio.timeout(PATIENCE_S):
            ends = await asyncio.gather(*attempts, return_exceptions=True)
        assert {isinstance(end, TimeoutError) for end in ends} == {True}
        await receiver.sink.close()


@pytest.mark.parametrize("name", FAR_AWAY)
async def test_a_sink_closes_although_its_receiver_hangs(name: str, places: Places) -> None:
    async with RECEIVERS[name](places, HASTE_S) as receiver:
        await receiver.sink.open()
        await deliver_in_the_end(receiver, on_its_way())
        receiver.way.stick()
        async with asyncio.timeout(PATIENCE_S):
            await receiver.sink.close()


async def deliver_in_the_end(receiver: Receiver, event: OutboxEvent) -> None:
    """On a busy machine more than one attempt may take longer than a sink in haste waits."""
    for _ in range(int(PATIENCE_S / HASTE_S)):
        with suppress(TimeoutError):
            return await receiver.sink.deliver(event)
    raise AssertionError("it was never delivered")


async def require_again(receiver: Receiver, event: OutboxEvent) -> None:
    """The attempt fails, and not for good."""
    assert not isinstance(await require_failure(receiver.sink.deliver(event)), Undeliverable)


async def require_failure(attempt: Awaitable[None]) -> BaseException:
    """What kind of failure it is differs from sink to sink; that it ends early, long before its limit, does not."""
    async with asyncio.timeout(PATIENCE_S / 2):
        (failure,) = await asyncio.gather(attempt, return_exceptions=True)
    assert isinstance(failure, BaseException), "it succeeded"
    return failure
