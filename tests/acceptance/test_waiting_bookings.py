"""A14: what nothing fits waits, and is tried again when something has changed that may make room."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from maitred_client.messages import (
    BookingAction,
    Floor,
    Table,
    TableState,
    UnblockTablesRequest,
)
from server.persistence.inspection import database_invariants
from server.persistence.migrator import find_migrations, read_migrations
from tests.builders.world import evening
from tests.builders.world_extras import House
from tests.conftest import Served
from tests.support.background import (
    GIVEN,
    NOTHING_FITS,
    TOLD,
    UNSEEN,
    WAITING,
    decided,
    dispatched,
    until,
    until_ended,
    until_waiting,
    worker,
)
from tests.support.database import connected, expire, rows
from tests.support.outbox import queue_on


async def _held(place: House, server: Served) -> Callable[[], Awaitable[object]]:
    hold = await place.hold(await place.party(), "W1")
    return lambda: place.release(hold)


async def _expiring(place: House, server: Served) -> Callable[[], Awaitable[object]]:
    hold = await place.hold(await place.party(), "W1")
    return lambda: expire(server.database_url, hold.hold_id)


async def _assigned(place: House, server: Served) -> Callable[[], Awaitable[object]]:
    seated = await place.seated("W1")
    return lambda: place.transition(seated, BookingAction.BOOKING_ACTION_CANCEL)


async def _movable(place: House, server: Served) -> Callable[[], Awaitable[object]]:
    seated = await place.seated("W1")
    return lambda: place.reassign(seated, "W2")


async def _blocked(place: House, server: Served) -> Callable[[], Awaitable[object]]:
    block = await place.block("W1")
    request = UnblockTablesRequest(restaurant_id=place.restaurant_id, block_id=block.block_id)
    return lambda: place.client.unblock_tables(request)


async def _out_of_service(place: House, server: Served) -> Callable[[], Awaitable[object]]:
    await place.out_of_service("W1")
    return lambda: place.update("W1", state=TableState.TABLE_STATE_IN_SERVICE)


async def _confirmed(place: House, server: Served) -> Callable[[], Awaitable[object]]:
    booking = await place.party()
    hold = await place.hold(booking, "W1")

    async def come_and_go() -> None:
        await place.confirm(hold)
        await place.transition(booking, BookingAction.BOOKING_ACTION_CANCEL)

    return come_and_go


CURES = {
    "the hold is released": _held,
    "the hold expires": _expiring,
    "the hold is confirmed and the party is called off": _confirmed,
    "the party is called off": _assigned,
    "the party moves": _movable,
    "the block is lifted": _blocked,
    "the table is back in service": _out_of_service,
}


# What a worker of an older version writes for a booking that waits for a hold.
OLDER = "UPDATE auto_assign_jobs SET cured_by = '{capacity.hold.expired,capacity.hold.released}'"


async def test_who_waits_for_a_hold_since_an_older_worker_tried_hears_of_the_confirmed_holds_end(
    place: House, server: Served
) -> None:
    happens = await _confirmed(place, server)
    booking = await place.party(4, required=["window"])
    await dispatched(place, booking)
    async with worker(server), connected(server.database_url) as database:
        await until_waiting(place, booking)
        await database.execute(OLDER)
        await happens()
        done = await until_ended(place, booking)
    assert decided(done.auto_assign_job) == ("COMPLETED_IN_TIME", "UNSPECIFIED")


async def test_who_did_not_hear_of_a_confirmed_holds_end_is_tried_again_once_the_schema_is_brought_up(
    place: House, server: Served
) -> None:
    happens = await _confirmed(place, server)
    booking = await place.party(4, required=["window"])
    await dispatched(place, booking)
    async with worker(server):
        await until_waiting(place, booking)
    await happens()
    (migration,) = (each for each in read_migrations(find_migrations()) if each.version == 24)
    async with connected(server.database_url) as database:
        await database.execute(OLDER)
        await database.execute(
            "UPDATE auto_assign_jobs AS j SET seen_version = r.floor_version FROM restaurants AS r"
            " WHERE r.restaurant_id = j.restaurant_id"
        )
        await database.execute(migration.sql)
    async with worker(server):
        done = await until_ended(place, booking)
    assert decided(done.auto_assign_job) == ("COMPLETED_IN_TIME", "UNSPECIFIED")


@pytest.mark.parametrize("cure", CURES)
async def test_what_is_refused_waits_and_is_assigned_when_the_cause_goes_away(
    place: House, server: Served, cure: str
) -> None:
    """Only W1 has a window."""
    happens = await CURES[cure](place, server)
    booking = await place.party(4, required=["window"])
    await dispatched(place, booking)
    async with worker(server):
        waiting = await until_waiting(place, booking)
        assert decided(waiting.auto_assign_job) == ("REFUSED", "NO_FEASIBLE_PLAN")
        assert waiting.needs_tables
        await happens()
        done = await until_ended(place, booking)
    assert decided(done.auto_assign_job) == ("COMPLETED_IN_TIME", "UNSPECIFIED")
    assert await rows(server.database_url, TOLD) == [NOTHING_FITS, GIVEN]
    report = await database_invariants(server.database_url)
    assert {check.check_id: check.violations for check in report.checks if check.violations} == {}


async def test_what_was_changed_is_not_missed_although_it_is_not_kept_any_more(
    place: House, server: Served
) -> None:
    """No worker looks before the event is delivered and deleted."""
    hold = await place.hold(await place.party(), "W1")
    booking = await place.party(4, required=["window"])
    await dispatched(place, booking)
    async with worker(server):
        await until_waiting(place, booking)
    await place.release(hold)
    async with connected(server.database_url) as connection, queue_on(server.database_url) as queue:
        await connection.execute("UPDATE capacity_outbox SET status = 'done'")
        assert await queue.delete_delivered(0.0, 10_000)
    async with worker(server):
        done = await until_ended(place, booking)
    assert not done.needs_tables


async def test_another_policy_cures_what_the_policy_refused(place: House, server: Served) -> None:
    booking = await place.party(16)
    await dispatched(place, booking)
    async with worker(server):
        await until_waiting(place, booking)
        await place.change_policy(lambda policy: setattr(policy.combinations, "tables_max", 4))
        done = await until_ended(place, booking)
    assert not done.needs_tables


async def only_w1(place: House, min_party: int = 1) -> None:
    def edit(floor: Floor) -> None:
        (w1,) = (table for table in floor.tables if table.name == "W1")
        w1.min_party = min_party
        del floor.tables[:], floor.adjacency[:]
        floor.tables.append(w1)

    await place.change_floor(edit)


async def test_a_new_table_is_not_missed_where_all_there_were_are_taken(place: House, server: Served) -> None:
    await only_w1(place)
    await place.seated("W1")
    booking = await place.party(2)
    await dispatched(place, booking)
    new = Table(table_id=str(uuid4()), zone_id=place.zone_id, name="New", capacity=2)
    async with worker(server):
        await until_waiting(place, booking)
        await place.change_floor(lambda floor: floor.tables.append(new))
        await until_ended(place, booking)


async def test_a_table_that_is_only_given_by_a_relaxed_rule_is_not_missed(
    place: House, server: Served
) -> None:
    await only_w1(place, min_party=3)
    seated = await place.seated("W1", party=4)
    booking = await place.party(2)
    await dispatched(place, booking)
    async with worker(server):
        await until_waiting(place, booking)
        await place.transition(seated, BookingAction.BOOKING_ACTION_CANCEL)
        done = await until_ended(place, booking)
    assert decided(done.auto_assign_job) == ("COMPLETED_IN_TIME", "UNSPECIFIED")


async def test_what_cannot_help_wakes_nobody(place: House, server: Served) -> None:
    """Another day's table comes free, and a table is taken: the booking is not tried again for either."""
    await place.seated("W1")
    tomorrow = await place.hold(await place.party(start=evening() + timedelta(days=1)), "W1")
    booking = await place.party(4, required=["window"])
    await dispatched(place, booking)
    runs = "SELECT run_number, attempt_count FROM auto_assign_jobs"
    async with worker(server):
        await until_waiting(place, booking)
        before = await rows(server.database_url, runs)
        await place.release(tomorrow)
        await place.seated("W2")
        async with asyncio.timeout(60):
            while await rows(server.database_url, UNSEEN):  # noqa: ASYNC110 the database tells nobody
                await asyncio.sleep(0.02)
    assert await rows(server.database_url, runs) == before
    assert await rows(server.database_url, TOLD) == [NOTHING_FITS]


async def test_a_booking_that_is_refused_again_for_the_same_reason_is_told_once(
    place: House, server: Served
) -> None:
    """Its window overlaps two others on the only table: when one of them goes it is tried again, in vain."""
    before, after = (evening() + timedelta(hours=hours) for hours in (-1, 1))
    hold = await place.hold(await place.party(start=before), "W1")
    await place.hold(await place.party(start=after), "W1")
    booking = await place.party(4, required=["window"])
    await dispatched(place, booking)
    async with worker(server):
        first = await until_waiting(place, booking)
        await place.release(hold)
        again = await until(
            place,
            booking,
            lambda now: (
                now.auto_assign_job.state == WAITING
                and now.auto_assign_job.decided_at.ToNanoseconds()
                > first.auto_assign_job.decided_at.ToNanoseconds()
            ),
        )
    assert decided(again.auto_assign_job) == ("REFUSED", "NO_FEASIBLE_PLAN")
    assert await rows(server.database_url, TOLD) == [NOTHING_FITS]
