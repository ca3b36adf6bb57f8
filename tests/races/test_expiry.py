"""A4: A hold keeps nobody out for a moment longer than it lives, by the database's clock and with nobody sweeping."""

from uuid import UUID

import pytest

from maitred_client import HoldExpiredError, TableConflictHeldError
from maitred_client.messages import BookingAction, Hold, HoldState
from server.config import Settings, load_settings
from server.orchestrator.sweep_holds import SweepHolds
from server.persistence.pool import Pool, PoolSettings, open_pool
from server.persistence.upkeep import SqlUpkeep
from tests.builders.world import World, evening
from tests.conftest import Served
from tests.races.attempts import together
from tests.races.crew import crew_on
from tests.races.evidence import broken_invariants, count
from tests.races.operations import LATER, day
from tests.support.database import Connection, expire
from tests.support.working import until, worker_on

TTL_S = 1


@pytest.fixture
def settings() -> Settings:
    return load_settings(port=0, log_level="warning", hold_ttl_s_min=TTL_S)


async def outlive(database: Connection, hold: Hold) -> None:
    """Returns at the instant that the hold expires, by the clock that decides it."""
    expires_at = hold.expires_at.ToDatetime(evening().tzinfo)
    await database.execute("SELECT pg_sleep(extract(epoch FROM $1 - clock_timestamp()))", expires_at)


async def expired_events(database: Connection) -> int:
    return await count(
        database, "SELECT count(*) FROM capacity_outbox WHERE event_type = 'capacity.hold.expired'"
    )


async def test_of_many_who_wait_for_a_hold_to_expire_one_gets_the_table(
    world: World, database: Connection
) -> None:
    others = [await world.booking(party=6) for _ in range(20)]
    first = await world.booking(party=6)
    await world.hold(first, "T1", "T2")
    with pytest.raises(TableConflictHeldError):
        await world.hold(others[0], "T2", "T3")
    hold = await world.hold(first, "T1", "T2", ttl_s=TTL_S)
    await outlive(database, hold)
    assert (await world.hold_now(hold)).state == HoldState.HOLD_STATE_EXPIRED
    assert await expired_events(database) == 0
    tried = await together(world.hold(other, "T2", "T3") for other in others)
    assert len(tried.answers) == 1
    assert set(tried.reasons) == {"TABLE_CONFLICT_HELD"}
    stored = await database.fetchval("SELECT state FROM holds WHERE hold_id = $1", hold.hold_id)
    assert stored == "expired"
    assert await expired_events(database) == 1
    with pytest.raises(HoldExpiredError):
        await world.confirm(hold)
    assert await broken_invariants(database, world.restaurant_id) == {}


async def test_an_expired_hold_is_never_confirmed_even_if_nobody_wants_its_tables(
    world: World, database: Connection
) -> None:
    hold = await world.hold(await world.booking(), "T1", ttl_s=TTL_S)
    await outlive(database, hold)
    with pytest.raises(HoldExpiredError) as refused:
        await world.confirm(hold)
    assert refused.value.metadata["hold_id"] == hold.hold_id
    assert (await world.release(hold)).state == HoldState.HOLD_STATE_EXPIRED


async def test_every_kind_of_claim_passes_over_expired_holds(world: World, database: Connection) -> None:
    absent, moved = await world.seated("T4"), await world.seated("T1", start=day(1))
    await world.transition(absent, BookingAction.BOOKING_ACTION_NO_SHOW)
    replaced = await world.hold(await world.booking(start=day(1)), "T3")
    tonight = [await world.hold(await world.booking(), f"T{number}", ttl_s=TTL_S) for number in (1, 2, 3, 4)]
    tomorrow = [
        await world.hold(await world.booking(start=day(1)), name, ttl_s=TTL_S) for name in ("T2", "T4")
    ]
    await outlive(database, tomorrow[-1])
    await world.assign(await world.booking(), "T1")
    await world.block("T2")
    await world.confirm(await world.hold(await world.booking(), "T3"))
    await world.transition(absent, BookingAction.BOOKING_ACTION_UNDO_NO_SHOW)
    await world.reassign(moved, "T2")
    await world.replace(replaced, "T4")
    over = (*tonight, *tomorrow)
    assert {(await world.hold_now(hold)).state for hold in over} == {HoldState.HOLD_STATE_EXPIRED}
    assert await expired_events(database) == len(over)
    assert await broken_invariants(database, world.restaurant_id) == {}


async def test_who_sweeps_all_the_time_sweeps_no_hold_before_its_time(
    world: World, database: Connection, database_url: str
) -> None:
    async with worker_on(database_url, sweep_s=0.02):
        for number in (1, 2):
            await world.hold(await world.booking(), f"T{number}", ttl_s=number * TTL_S)
        await until(database_url, "SELECT DISTINCT state FROM holds", [{"state": "expired"}])
    assert await broken_invariants(database, world.restaurant_id) == {}


async def test_who_looked_before_another_swept_sweeps_nothing_more(
    world: World, server: Served, database: Connection
) -> None:
    hold = await world.hold(await world.booking(), "T1")
    await expire(server.database_url, hold.hold_id)
    async with (
        crew_on(server.server_url, server.tenant_id) as crew,
        await open_pool(PoolSettings(server.server_url, size_min=1, size_max=1)) as pool,
    ):
        quick = SweepHolds(crew.store, SqlUpkeep(pool, 30.0), 10, 10, 30.0, 30.0)
        late = SweepHolds(crew.store, Overtaken(pool, quick), 10, 10, 30.0, 30.0)
        assert await late() == 0
    assert (await world.hold_now(hold)).state == HoldState.HOLD_STATE_EXPIRED
    assert await expired_events(database) == 1
    assert await broken_invariants(database, world.restaurant_id) == {}


class Overtaken(SqlUpkeep):
    """Another sweeps between its look and what is done about it."""

    def __init__(self, pool: Pool, other: SweepHolds) -> None:
        super().__init__(pool, 30.0)
        self._other = other

    async def restaurants_with_expired_holds(self, limit: int) -> tuple[tuple[UUID, UUID], ...]:
        found = await super().restaurants_with_expired_holds(limit)
        assert await self._other() == 1
        return found


async def test_when_the_hold_of_a_changed_booking_expires_its_old_tables_stay(
    world: World, database: Connection
) -> None:
    booking = await world.seated("T1")
    await world.booking(booking_id=booking.booking_id, start=evening() + LATER)
    await world.hold(booking, "T1")
    early, late = await world.booking(), await world.booking(start=evening() + 4 * LATER)
    with pytest.raises(TableConflictHeldError):
        await world.hold(late, "T1")
    hold = await world.hold(booking, "T1", ttl_s=TTL_S)
    await outlive(database, hold)
    assert (await world.hold(late, "T1")).booking_id == late.booking_id
    refused = await together([world.hold(early, "T1")])
    assert refused.reasons == {"TABLE_CONFLICT_ASSIGNED": 1}
    assert await broken_invariants(database, world.restaurant_id) == {}
    await world.unassign(booking)
    assert (await world.hold(early, "T1")).booking_id == early.booking_id
    assert await broken_invariants(database, world.restaurant_id) == {}
