"""O8: what is over for long goes, whole and without a change of the floor; what somebody may still need stays."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from maitred_client import BookingNotFoundError, HoldNotFoundError
from maitred_client.messages import (
    Booking,
    BookingAction,
    BookingStatus,
    UnblockTablesRequest,
)
from server.persistence.history import SqlHistory
from server.persistence.pool import PoolSettings, close_pool, open_pool
from tests.builders.world import evening, small_world
from tests.builders.world_extras import UNKNOWN_ID, House
from tests.conftest import Served
from tests.support.database import belongings, connected, restaurant_locked, row, rows, turn_back
from tests.support.working import until, worker_on

LONG = timedelta(days=1_500)
KEPT_S = timedelta(days=3 * 365).total_seconds()
HOLDS_KEPT_S = timedelta(days=30).total_seconds()
# What tells of the past by itself, and has its own time.
OF_THEIR_OWN = {"capacity_outbox", "idempotency_ledger", "telemetry_events"}
BOOKINGS = "SELECT booking_id::text AS id FROM bookings ORDER BY dining_start, id"

# Whoever looks how far events are delivered waits for a lock, when the statement has begun.
SLOW_TO_LOOK = """
    ALTER TABLE outbox_streams RENAME TO streams;
    CREATE VIEW outbox_streams AS SELECT * FROM streams WHERE pg_advisory_xact_lock_shared(1)::text = '';
"""


@asynccontextmanager
async def history_on(url: str) -> AsyncIterator[SqlHistory]:
    pool = await open_pool(PoolSettings(url, size_min=1, size_max=1))
    try:
        yield SqlHistory(pool, 30.0)
    finally:
        await close_pool(pool)


async def grow_old(url: str) -> None:
    """Everything so far was done and was to be so long ago; its events are delivered, its answers no longer count."""
    await turn_back(url, LONG)
    async with connected(url) as connection:
        for instant in (
            "audit_log SET occurred_at = occurred_at",
            "idempotency_ledger SET expires_at = expires_at",
            "capacity_outbox SET status = 'done', attempt_count = 1, created_at = created_at",
        ):
            await connection.execute(f"UPDATE {instant} - $1::interval", LONG)
        await connection.execute(
            "INSERT INTO outbox_streams (restaurant_id, settled_version, settled_position)"
            " SELECT restaurant_id, floor_version, 1000 FROM restaurants"
        )


def lines_of(ids: set[str], kept: Mapping[str, list[str]]) -> list[str]:
    """The rows that name one of these."""
    return [
        text
        for name in sorted(kept.keys() - OF_THEIR_OWN)
        for text in kept[name]
        if any(each in text for each in ids)
    ]


async def test_what_was_over_for_long_goes_whole_and_nobody_is_told(place: House, server: Served) -> None:
    """A merged party that came, one that was given up, one that nobody closed, and two blocks; and a party of today."""
    url = server.database_url
    came, left, open_ = await place.party(6), await place.party(), await place.seated("P1")
    await place.confirm(await place.hold(came, "W1", "W2"))
    await place.release(await place.hold(left, "W3"))
    await place.auto_assign(left)
    await place.transition(left, BookingAction.BOOKING_ACTION_CANCEL)
    await place.transition(came, BookingAction.BOOKING_ACTION_CHECK_IN)
    await turn_back(url, evening() - datetime.now(UTC) + timedelta(minutes=30))
    await place.transition(came, BookingAction.BOOKING_ACTION_COMPLETE)
    blocks = await place.block("F6"), await place.block("L8")
    unblock = UnblockTablesRequest(restaurant_id=place.restaurant_id, block_id=blocks[0].block_id)
    await place.client.unblock_tables(unblock)
    await grow_old(url)
    today = await place.party(6)
    marks = {today.booking_id, (await place.confirm(await place.hold(today, "W3", "W4"))).assignment_id}
    version = "SELECT floor_version FROM restaurants"
    before, there = await row(url, version), await belongings(url, place.restaurant_id, UNKNOWN_ID)
    async with worker_on(url, upkeep_s=1, event_retention_s=KEPT_S):
        await until(url, BOOKINGS, [{"id": today.booking_id}])
        await until(url, "SELECT count(*) FROM audit_log", [{"count": 3}])
        await until(url, "SELECT count(*) FROM blocks", [{"count": 0}])
    gone = {booking.booking_id for booking in (came, left, open_)} | {block.block_id for block in blocks}
    kept = await belongings(url, place.restaurant_id, UNKNOWN_ID)
    assert lines_of(gone, kept) == []
    assert lines_of(marks, kept) == lines_of(marks, there)
    assert await row(url, version) == before
    assert await place.violations() == 0
    again = await place.found(await place.party(booking_id=came.booking_id))
    assert (again.booking.status, len(again.history)) == (BookingStatus.BOOKING_STATUS_PENDING, 1)
    assert await place.violations() == 0


async def test_a_booking_stays_as_long_as_it_lasted_and_an_event_of_it_is_not_delivered(
    place: House, server: Served
) -> None:
    url = server.database_url
    one, other = await place.party(), await place.party()
    await grow_old(url)
    of_one = "UPDATE capacity_outbox SET status = '{}' WHERE booking_id = '{}'"
    async with connected(url) as connection, history_on(url) as history:
        await connection.execute("UPDATE outbox_streams SET settled_version = settled_version - 1")
        assert await history.clear_past_bookings(KEPT_S, 9) == 0
        await connection.execute("UPDATE outbox_streams SET settled_version = settled_version + 1")
        await connection.execute(of_one.format("dead", one.booking_id))
        assert await history.clear_past_bookings(KEPT_S, 9) == 1
        assert await rows(url, BOOKINGS) == [{"id": one.booking_id}]
        await connection.execute(of_one.format("pending", one.booking_id))
        await connection.execute("UPDATE capacity_outbox SET redriven_at = now() WHERE status = 'pending'")
        assert await history.clear_past_bookings(KEPT_S, 9) == 0
        await connection.execute(of_one.format("done", one.booking_id))
        for longer, gone in ((timedelta(hours=1), 0), (-timedelta(hours=1), 1)):
            end = datetime.now(UTC) - timedelta(seconds=KEPT_S) + longer
            await connection.execute("UPDATE bookings SET window_end = $1", end)
            assert await history.clear_past_bookings(KEPT_S, 9) == gone
    assert (await rows(url, BOOKINGS), other.status) == ([], one.status)
    assert await place.violations() == 0


async def test_what_somebody_works_on_or_has_worked_on_lately_stays(place: House, server: Served) -> None:
    """A locked restaurant keeps nobody waiting, nor another from being cleared."""
    url, free = server.database_url, await small_world(place.client)
    late, block = await place.party(), await place.block("P1")
    locked, gone = await place.party(), await free.booking()
    await grow_old(url)
    await place.transition(late, BookingAction.BOOKING_ACTION_CANCEL)
    unblock = UnblockTablesRequest(restaurant_id=place.restaurant_id, block_id=block.block_id)
    await place.client.unblock_tables(unblock)
    async with history_on(url) as history:
        async with restaurant_locked(url, place.restaurant_id):
            assert await history.clear_past_bookings(KEPT_S, 9) == 1
        assert gone.booking_id not in {each["id"] for each in await rows(url, BOOKINGS)}
        assert await history.clear_past_bookings(KEPT_S, 9) == 1
        assert await history.clear_past_blocks(KEPT_S, 9) == 0
    assert await rows(url, BOOKINGS) == [{"id": late.booking_id}]
    assert locked.booking_id != late.booking_id
    assert await place.violations() == 0


async def test_a_restaurant_that_is_changed_after_the_look_and_before_the_lock_is_passed_over(
    place: House, server: Served
) -> None:
    """The look is not over yet when the booking is changed."""
    party = await place.party()
    await grow_old(server.database_url)
    async with connected(server.database_url) as connection, history_on(server.database_url) as history:
        await connection.execute(SLOW_TO_LOOK)
        await connection.execute("SELECT pg_advisory_lock(1)")
        clearing = asyncio.ensure_future(history.clear_past_bookings(KEPT_S, 9))
        await until(server.database_url, "SELECT count(*) FROM pg_locks WHERE NOT granted", [{"count": 1}])
        await place.party(booking_id=party.booking_id)
        await connection.execute("SELECT pg_advisory_unlock(1)")
        assert await clearing == 0
    assert await rows(server.database_url, BOOKINGS) == [{"id": party.booking_id}]


async def test_who_changes_a_booking_while_it_goes_finds_it_whole_or_not_at_all(
    place: House, server: Served
) -> None:
    parties = [await place.party() for _ in range(12)]
    await grow_old(server.database_url)

    async def cancelled(booking: Booking) -> str:
        try:
            return (await place.transition(booking, BookingAction.BOOKING_ACTION_CANCEL)).booking_id
        except BookingNotFoundError:
            return ""

    async with history_on(server.database_url) as history:

        async def cleared() -> int:
            return sum([await history.clear_past_bookings(KEPT_S, 1) for _ in parties])

        *answers, gone = await asyncio.gather(*map(cancelled, parties), cleared())
    stayed = {answer for answer in answers if answer}
    assert {each["id"] for each in await rows(server.database_url, BOOKINGS)} == stayed
    assert gone == len(parties) - len(stayed)
    assert await place.violations() == 0


async def test_the_log_of_a_restaurant_is_cut_off_and_later_gaps_are_still_seen(
    place: House, server: Served
) -> None:
    url = server.database_url
    await grow_old(url)
    await place.out_of_service("W1")
    await place.out_of_service("W2")
    entries = "SELECT action FROM audit_log ORDER BY audit_id"
    async with connected(url) as connection, history_on(url) as history:
        while await history.clear_past_entries(KEPT_S, 1):
            pass
        assert await rows(url, entries) == [{"action": "update_table"}] * 2
        assert await place.violations() == 0
        await connection.execute(
            "DELETE FROM audit_log WHERE audit_id = (SELECT min(audit_id) FROM audit_log)"
        )
    assert await place.violations() == 1


async def test_holds_that_came_to_nothing_go_and_the_one_of_an_assignment_stays(
    place: House, server: Served
) -> None:
    """Each is looked at once, however few at a time."""
    url = server.database_url
    released = await place.release(await place.hold(await place.party(), "W1"))
    confirmed = await place.hold(await place.party(), "W2")
    await place.confirm(confirmed)
    old = timedelta(days=31, minutes=1)
    async with connected(url) as connection, history_on(url) as history:
        earlier = (
            "UPDATE holds SET created_at = created_at - $1::interval, expires_at = expires_at - $1::interval"
        )
        await connection.execute(earlier, old)
        await connection.execute("UPDATE idempotency_ledger SET expires_at = expires_at - $1::interval", old)
        recent = await place.release(await place.hold(await place.party(), "W3"))
        looked = [await history.clear_ended_holds(HOLDS_KEPT_S, 1) for _ in range(3)]
    assert looked == [1, 1, 0]
    with pytest.raises(HoldNotFoundError):
        await place.hold_now(released)
    assert (await place.hold_now(confirmed)).hold_id == confirmed.hold_id
    assert (await place.hold_now(recent)).hold_id == recent.hold_id
    assert await place.violations() == 0
