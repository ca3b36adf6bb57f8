"""O5, O6: What those who run the service see of events on their way out, and what they can do."""

from uuid import uuid4

import pytest

from maitred_client import (
    CapacityInsufficientError,
    InvalidArgumentFieldError,
    RestaurantNotFoundError,
    instant,
    to_dict,
)
from maitred_client.messages import (
    GetOutboxStatsRequest,
    GetOutboxStatsResponse,
    ListAuditEntriesRequest,
    ListOutboxEventsRequest,
    OutboxEvent,
    OutboxStatus,
    RedriveOutboxEventsRequest,
)
from server.persistence.switches import Position, SwitchName, read_switches, turn_switch
from tests.builders.world_extras import House, house, refused
from tests.conftest import Served
from tests.support.database import rows
from tests.support.working import mend, poison, until, until_it_looked, until_settled, worker_on

DEAD = OutboxStatus.OUTBOX_STATUS_DEAD
DONE = OutboxStatus.OUTBOX_STATUS_DONE
PENDING = OutboxStatus.OUTBOX_STATUS_PENDING
INVENTORY = "capacity.inventory.changed"
BLOCKED = "SELECT count(blocked_by) AS n FROM outbox_streams"
TELEMETRY = (
    "SELECT event_id, occurred_at, event_type, schema, tenant_id, restaurant_id, booking_id, context"
    " FROM telemetry_events ORDER BY event_id"
)


async def stats(place: House, restaurant_id: str = "") -> GetOutboxStatsResponse:
    return await place.client.get_outbox_stats(GetOutboxStatsRequest(restaurant_id=restaurant_id))


async def events(place: House, **wanted: object) -> list[OutboxEvent]:
    """All events of the place that are wanted, page by page."""
    request = ListOutboxEventsRequest(restaurant_id=place.restaurant_id, **wanted)  # type: ignore[arg-type]
    return [event async for event in place.client.iterate_outbox_events(request)]


async def redrive(place: House, *event_ids: str, reason: str = "", event_type: str = "") -> list[str]:
    request = RedriveOutboxEventsRequest(
        restaurant_id=place.restaurant_id, event_ids=event_ids, reason=reason, event_type=event_type
    )
    return list((await place.client.redrive_outbox_events(request)).event_ids)


async def test_without_a_worker_everything_waits_and_the_oldest_says_since_when(place: House) -> None:
    await place.party()
    found, listed = await stats(place), await events(place)
    assert (found.pending, found.dead, found.restaurants_blocked) == (len(listed), 0, 0)
    assert found.oldest_pending_at == listed[0].created_at
    assert instant(found.checked_at) >= instant(found.oldest_pending_at)
    other = await house(place.client)
    assert (await stats(place)).pending > found.pending
    assert (await stats(place, place.restaurant_id)).pending == found.pending
    assert (await stats(place, other.restaurant_id)).pending == len(await events(other))


async def test_delivered_events_no_longer_wait(server: Served, place: House) -> None:
    async with worker_on(server.database_url):
        await until_settled(server.database_url)
        await until(server.database_url, "SELECT FROM outbox_streams WHERE lease_token IS NOT NULL", [])
    found = await stats(place)
    assert (found.pending, found.dead, found.restaurants_in_work) == (0, 0, 0)
    assert not found.HasField("oldest_pending_at")
    assert {event.status for event in await events(place)} == {DONE}


async def test_pages_have_every_event_once_in_the_order_of_the_changes(place: House) -> None:
    for _ in range(3):
        await place.party()
    everything = await events(place)
    order = [(event.floor_version, event.position) for event in everything]
    assert order == sorted(order)
    assert len(set(order)) == len(order) > 4
    assert await events(place, page_size=2) == everything


async def test_a_clock_that_was_set_back_does_not_change_the_order_of_a_restaurants_events(
    server: Served, place: House
) -> None:
    for _ in range(3):
        await place.party()
    everything = await events(place)
    backwards = "UPDATE capacity_outbox SET created_at = created_at - floor_version * interval '1 hour'"
    await rows(server.database_url, backwards)
    expected = [event.event_id for event in everything]
    for wanted in ({}, {"page_size": 2}, {"status": PENDING}, {"status": PENDING, "page_size": 2}):
        assert [event.event_id for event in await events(place, **wanted)] == expected, wanted
    await rows(server.database_url, "UPDATE capacity_outbox SET status = 'dead'")
    assert [event.event_id for event in await events(place, status=DEAD, page_size=2)] == expected


async def test_dead_events_of_all_restaurants_are_listed_by_time(server: Served, place: House) -> None:
    others = [place, await house(place.client), await house(place.client)]
    for each in (*others, *others):
        await each.party()
    dead = await rows(
        server.database_url, "UPDATE capacity_outbox SET status = 'dead' RETURNING id::text, created_at"
    )
    expected = [event["id"] for event in sorted(dead, key=lambda event: event["created_at"])]
    for page_size in (0, 2):
        request = ListOutboxEventsRequest(status=DEAD, page_size=page_size)
        listed = [event async for event in place.client.iterate_outbox_events(request)]
        assert [event.event_id for event in listed] == expected
    assert {event.restaurant_id for event in listed} == {each.restaurant_id for each in others}


async def test_a_list_has_only_what_is_asked_for(place: House) -> None:
    await place.party()
    everything = await events(place)
    inventory = [event for event in everything if event.event_type == INVENTORY]
    assert 0 < len(inventory) < len(everything)
    assert await events(place, event_type=INVENTORY) == inventory
    assert await events(place, event_id=everything[-1].event_id) == everything[-1:]
    assert await events(place, status=PENDING) == everything
    assert await events(place, status=DEAD) == []


async def test_a_poisoned_event_dies_and_once_it_is_mended_it_is_delivered(
    server: Served, place: House
) -> None:
    url = server.database_url
    poisoned = await poison(url, place.restaurant_id)
    async with worker_on(url):
        await until_settled(url)
        (dead,) = await events(place, status=DEAD)
        assert (dead.event_id, dead.attempt_count) == (poisoned, 1)
        assert "no handler for events of type capacity.from.the_future" in dead.last_error
        # The later ones went past it.
        assert (await stats(place)).dead == 1
        assert {event.status for event in await events(place)} == {DEAD, DONE}
        await mend(url, poisoned)
        assert await redrive(place, reason="a newer worker", event_type="capacity.hold.created") == []
        assert await redrive(place, poisoned, reason="a newer worker") == [poisoned]
        await until_settled(url)
    (mended,) = await events(place, event_id=poisoned)
    assert (mended.status, mended.attempt_count, mended.last_error) == (DONE, 1, "")
    assert mended.HasField("redriven_at")
    assert await rows(url, "SELECT FROM telemetry_events WHERE event_id = $1::text::uuid", poisoned) == [{}]
    assert (await stats(place)).dead == 0


async def test_what_is_not_mended_dies_again(server: Served, place: House) -> None:
    url = server.database_url
    poisoned = await poison(url, place.restaurant_id)
    async with worker_on(url):
        await until_settled(url)
        assert await redrive(place) == [poisoned]
        await until_settled(url)
    assert [event.event_id for event in await events(place, status=DEAD)] == [poisoned]


async def test_where_the_policy_is_to_block_later_events_wait_until_the_dead_one_is_dealt_with(
    server: Served, place: House
) -> None:
    url = server.database_url
    poisoned = await poison(url, place.restaurant_id)
    waiting = len(await events(place)) - 1
    async with worker_on(url, event_dead_policy="block"):
        await until(url, BLOCKED, [{"n": 1}])
        found = await stats(place)
        assert (found.pending, found.dead, found.restaurants_blocked) == (waiting, 1, 1)
        await mend(url, poisoned)
        await redrive(place, poisoned)
        await until_settled(url)
    found = await stats(place)
    assert (found.pending, found.dead, found.restaurants_blocked) == (0, 0, 0)


async def test_those_that_waited_behind_a_dead_event_go_on_with_a_worker_that_is_told_to_go_on(
    server: Served, place: House
) -> None:
    url = server.database_url
    poisoned = await poison(url, place.restaurant_id)
    async with worker_on(url, event_dead_policy="block"):
        await until(url, BLOCKED, [{"n": 1}])
    async with worker_on(url):
        await until_settled(url)
        await until(url, BLOCKED, [{"n": 0}])
    assert [event.event_id for event in await events(place, status=DEAD)] == [poisoned]


async def test_a_redrive_says_in_the_audit_log_who_did_it_and_why(server: Served, place: House) -> None:
    poisoned = await poison(server.database_url, place.restaurant_id)
    async with worker_on(server.database_url):
        await until_settled(server.database_url)
    await redrive(place, reason="the receiver is back")
    request = ListAuditEntriesRequest(restaurant_id=place.restaurant_id)
    last = (await place.client.list_audit_entries(request)).entries[0]
    assert (last.action, last.resource, last.resource_id) == (
        "redrive_events",
        "restaurant",
        place.restaurant_id,
    )
    assert (last.actor, last.reason) == ("tests", "the receiver is back")
    assert to_dict(last)["details"]["event_ids"] == [poisoned]


async def test_only_dead_events_are_listed_without_a_restaurant(server: Served, place: House) -> None:
    other = await house(place.client)
    poisoned = {await poison(server.database_url, each.restaurant_id) for each in (place, other)}
    async with worker_on(server.database_url):
        await until_settled(server.database_url)
    answer = await place.client.list_outbox_events(ListOutboxEventsRequest(status=DEAD))
    assert {event.event_id for event in answer.events} == poisoned
    for status in (PENDING, DONE, OutboxStatus.OUTBOX_STATUS_UNSPECIFIED):
        asked = place.client.list_outbox_events(ListOutboxEventsRequest(status=status))
        problem = await refused(asked, InvalidArgumentFieldError)
        assert [violation.field for violation in problem.violations] == ["restaurant_id"]


async def test_another_tenant_sees_nothing_and_redrives_nothing(server: Served, place: House) -> None:
    poisoned = await poison(server.database_url, place.restaurant_id)
    async with worker_on(server.database_url):
        await until_settled(server.database_url)
    async with server.client(tenant_id=uuid4()) as stranger:
        assert (await stranger.get_outbox_stats(GetOutboxStatsRequest())).dead == 0
        assert not (await stranger.list_outbox_events(ListOutboxEventsRequest(status=DEAD))).events
        theirs = await house(stranger)
        assert await redrive(theirs, poisoned) == []
        for call in (
            stranger.get_outbox_stats(GetOutboxStatsRequest(restaurant_id=place.restaurant_id)),
            stranger.list_outbox_events(ListOutboxEventsRequest(restaurant_id=place.restaurant_id)),
            stranger.redrive_outbox_events(RedriveOutboxEventsRequest(restaurant_id=place.restaurant_id)),
        ):
            await refused(call, RestaurantNotFoundError)
    assert [event.event_id for event in await events(place, status=DEAD)] == [poisoned]


async def test_while_delivery_is_paused_events_wait_and_afterwards_they_are_delivered_without_a_restart(
    server: Served, place: House
) -> None:
    url = server.database_url
    async with worker_on(url):
        await until_settled(url)
        await turn_switch(url, SwitchName.RELAY, Position.PAUSED, "Ada", "the receiver moves")
        before = await rows(url, TELEMETRY)
        booking = await place.party()
        await place.hold(booking, "W1")
        await until_it_looked(url)
        backlog = await stats(place)
        assert backlog.pending == len(await events(place, status=PENDING)) > 1
        assert backlog.HasField("oldest_pending_at")
        assert await rows(url, TELEMETRY) == before
        await turn_switch(url, SwitchName.RELAY, Position.RUNNING, "Ada", "")
        await until_settled(url)
    delivered = {row["event_id"] for row in await rows(url, TELEMETRY)}
    assert delivered == {row["id"] for row in await rows(url, "SELECT id FROM capacity_outbox")}


async def test_a_switch_says_who_turned_it_and_why(server: Served) -> None:
    await turn_switch(server.database_url, SwitchName.RELAY, Position.PAUSED, "Ada", "night")
    direct, relay = await read_switches(server.database_url)
    assert (direct.value, direct.actor) == (Position.OFF, "")
    assert (relay.value, relay.actor, relay.reason) == (Position.PAUSED, "Ada", "night")
    await turn_switch(server.database_url, SwitchName.RELAY, Position.PAUSED, "Bo", "again")
    assert (await read_switches(server.database_url))[1] == relay


@pytest.mark.parametrize("position", [Position.ON, Position.OFF])
async def test_direct_telemetry_is_what_the_worker_would_have_written_and_is_not_written_twice(
    server: Served, place: House, position: Position
) -> None:
    url = server.database_url
    await turn_switch(url, SwitchName.DIRECT_TELEMETRY, position, "Ada", "")
    booking = await place.party()
    hold = await place.hold(booking, "W1")
    await place.confirm(hold)
    direct = await rows(url, TELEMETRY)
    of_the_booking = "SELECT id FROM capacity_outbox WHERE booking_id = $1::text::uuid"
    told = {row["id"] for row in await rows(url, of_the_booking, booking.booking_id)}
    assert {row["event_id"] for row in direct} == (told if position is Position.ON else set())
    # The other way round: what a worker alone makes of the same events.
    await rows(url, "DELETE FROM telemetry_events")
    async with worker_on(url):
        await until_settled(url)
    delivered = await rows(url, TELEMETRY)
    assert direct == [row for row in delivered if row["event_id"] in {each["event_id"] for each in direct}]


async def test_what_was_written_directly_is_left_as_it_is_by_the_later_delivery(
    server: Served, place: House
) -> None:
    url = server.database_url
    await turn_switch(url, SwitchName.DIRECT_TELEMETRY, Position.ON, "Ada", "")
    await place.party()
    whole = TELEMETRY.replace("context", "context, recorded_at")
    direct = await rows(url, whole)
    assert direct
    async with worker_on(url):
        await until_settled(url)
    delivered = {row["event_id"]: row for row in await rows(url, whole)}
    assert [delivered[row["event_id"]] for row in direct] == direct
    assert delivered.keys() == {row["id"] for row in await rows(url, "SELECT id FROM capacity_outbox")}


async def test_direct_telemetry_of_a_refused_change_is_not_written(server: Served, place: House) -> None:
    url = server.database_url
    await turn_switch(url, SwitchName.DIRECT_TELEMETRY, Position.ON, "Ada", "")
    party = await place.party(6)
    before = await rows(url, TELEMETRY)
    await refused(place.hold(party, "W1"), CapacityInsufficientError)
    assert await rows(url, TELEMETRY) == before
