"""Members of a group wait for restaurants that somebody else has locked, and see what was done to them meanwhile."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from maitred_client import AsyncMaitredClient
from maitred_client.messages import GetOperationRequest, OperationState
from server.clock import Deadline
from server.domain.claims import HoldState
from server.errors import Reason
from server.orchestrator.hold_tables import Held
from server.orchestrator.ports import Footprint
from server.persistence import group
from server.persistence.commit_groups import Waiting
from server.persistence.group import GROUPS
from tests.builders.world import small_world
from tests.conftest import Served
from tests.races.crew import NOWHERE, TIMEOUT_S, Pause, crew_on, just_count, outcomes, worlds_of
from tests.races.evidence import sound
from tests.support.database import Connection, connected, restaurant_locked

pytestmark = pytest.mark.shared_server


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "beside others"])
async def test_a_locked_restaurant_holds_up_its_own_guests_only(
    alone: bool, server: Served, client: AsyncMaitredClient, database: Connection
) -> None:
    locked, *others = await worlds_of(client, 4)
    kept = await locked.booking()
    bookings = [await world.booking() for world in others]
    async with (
        crew_on(server.server_url, server.tenant_id, groups_max=1, lock_timeout_s=60.0) as crew,
        restaurant_locked(server.server_url, locked.restaurant_id) as owner,
    ):
        crew.plan.arm_for(NOWHERE, just_count)
        waiting = asyncio.create_task(crew.hold(locked, kept.booking_id, "T1"))
        if alone:
            await _queue_for_locks(database, 1)
        answers = await outcomes(
            *(
                crew.hold(world, booking.booking_id, "T1")
                for world, booking in zip(others, bookings, strict=True)
            )
        )
        assert [type(answer) for answer in answers] == [Held] * 3
        assert not waiting.done()
        await _queue_for_locks(database, 1)
        assert not waiting.done()
        # One that is begun again without the locked one, and one in which that waits.
        assert crew.transactions == (4 if alone else 3), "all others share one"
        await owner.execute("COMMIT")
        await owner.execute("BEGIN")
        assert isinstance(await waiting, Held)
    assert await sound(database, locked, *others)


async def test_beside_the_owners_change_another_tenant_still_finds_no_such_restaurant(
    server: Served, client: AsyncMaitredClient, database: Connection
) -> None:
    (world,) = await worlds_of(client, 1)
    own, one, two = [await world.booking() for _ in range(3)]
    async with crew_on(server.server_url, server.tenant_id) as crew:
        stranger = replace(crew, tenant_id=uuid4())
        crew.plan.arm_for(NOWHERE, just_count)
        answers = await outcomes(
            stranger.hold(world, one.booking_id, "T1"),
            crew.hold(world, own.booking_id, "T2"),
            stranger.hold(world, two.booking_id, "T3"),
        )
        assert crew.transactions == 1
    assert [answers[0], type(answers[1]), answers[2]] == [
        Reason.RESTAURANT_NOT_FOUND,
        Held,
        Reason.RESTAURANT_NOT_FOUND,
    ]
    assert await sound(database, world)


async def test_a_locked_restaurant_that_another_tenant_names_holds_up_nobody(
    server: Served, client: AsyncMaitredClient, database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though its owner has a change of another restaurant in the same group."""
    monkeypatch.setattr(group, "PATIENCE_S", TIMEOUT_S)
    locked, other = await worlds_of(client, 2)
    booking = await other.booking()
    async with (
        crew_on(server.server_url, server.tenant_id, lock_timeout_s=TIMEOUT_S) as crew,
        restaurant_locked(server.server_url, locked.restaurant_id),
    ):
        stranger = replace(crew, tenant_id=uuid4())
        crew.plan.arm_for(NOWHERE, just_count)
        answers = await outcomes(
            stranger.hold(locked, booking.booking_id, "T1"), crew.hold(other, booking.booking_id, "T1")
        )
        assert crew.transactions == 1
    assert [answers[0], type(answers[1])] == [Reason.RESTAURANT_NOT_FOUND, Held]
    assert await sound(database, locked, other)


async def test_claims_are_written_in_the_order_of_their_tables_whoever_makes_them(own_server: Served) -> None:
    """So that two transactions that write at the same tables never wait for each other."""
    async with (
        own_server.client() as client,
        crew_on(own_server.server_url, own_server.tenant_id) as crew,
        connected(own_server.server_url) as database,
    ):
        world = await small_world(client)
        names = sorted(("T1", "T2", "T3", "T4"), key=lambda name: world.tables[name], reverse=True)
        bookings = [await world.booking() for _ in names]
        crew.plan.arm_for(NOWHERE, just_count)
        calls = [
            crew.hold(world, booking.booking_id, name) for booking, name in zip(bookings, names, strict=True)
        ]
        assert [type(answer) for answer in await outcomes(*calls)] == [Held] * 4
        assert crew.transactions == 1
        # Of a table from which nothing has gone, this is the order in which its rows were written.
        written = await database.fetch("SELECT table_id::text FROM table_claims ORDER BY ctid")
    assert [row["table_id"] for row in written] == world.ids(reversed(names))


async def test_a_restaurant_that_is_free_soon_is_waited_for_by_all(
    server: Served, client: AsyncMaitredClient, database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As other processes have it: who left it out would carry its guests through one group after another."""
    # However long it is until then on a busy machine.
    monkeypatch.setattr(group, "PATIENCE_S", TIMEOUT_S)
    worlds = await worlds_of(client, 3)
    bookings = [await world.booking() for world in worlds]
    async with (
        crew_on(server.server_url, server.tenant_id, groups_max=1, lock_timeout_s=TIMEOUT_S) as crew,
        restaurant_locked(server.server_url, worlds[1].restaurant_id) as owner,
    ):
        crew.plan.arm_for(NOWHERE, just_count)
        calls = [
            asyncio.create_task(crew.hold(world, booking.booking_id, "T1"))
            for world, booking in zip(worlds, bookings, strict=True)
        ]
        await _queue_for_locks(database, 1)
        await owner.execute("COMMIT")
        await owner.execute("BEGIN")
        assert [type(answer) for answer in await outcomes(*calls)] == [Held] * 3
        assert crew.transactions == 1
    assert await sound(database, *worlds)


@pytest.mark.parametrize("isolation", ["read%20committed", "serializable"])
async def test_what_was_read_before_the_lock_was_granted_is_read_again(
    server: Served,
    client: AsyncMaitredClient,
    database: Connection,
    monkeypatch: pytest.MonkeyPatch,
    isolation: str,
) -> None:
    """Two processes queue for a restaurant: one gives up the hold that the other confirms. What isolation they would
    have otherwise makes no difference.
    """
    monkeypatch.setattr(group, "PATIENCE_S", TIMEOUT_S)
    world = await small_world(client)
    held = await world.hold(await world.booking(), "T1")
    patient: Any = {"lock_timeout_s": TIMEOUT_S}
    url = f"{server.server_url}&default_transaction_isolation={isolation}"
    async with (
        crew_on(url, server.tenant_id, **patient) as one,
        crew_on(url, server.tenant_id, **patient) as other,
        restaurant_locked(server.server_url, world.restaurant_id) as owner,
    ):
        other.plan.arm_for(NOWHERE, just_count)
        releasing = asyncio.create_task(one.release(world, held.hold_id))
        await _queue_for_locks(database, 1)
        confirming = asyncio.create_task(other.confirm(world, held.hold_id, held.booking_id))
        await _queue_for_locks(database, 2)
        await owner.execute("COMMIT")
        await owner.execute("BEGIN")
        released, refused = await outcomes(releasing, confirming)
        assert other.transactions == 1
    assert released.state is HoldState.RELEASED
    assert refused is Reason.HOLD_ALREADY_RELEASED
    assert await sound(database, world)


async def test_a_request_that_waits_for_its_restaurant_is_told_of_as_running(
    server: Served, client: AsyncMaitredClient, database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever repeats it at another process is told so, and waits for nobody."""
    monkeypatch.setattr(group, "PATIENCE_S", TIMEOUT_S)
    (world,) = await worlds_of(client, 1)
    booking, request_id = await world.booking(), uuid4()
    async with (
        crew_on(server.server_url, server.tenant_id, lock_timeout_s=TIMEOUT_S) as one,
        crew_on(server.server_url, server.tenant_id, lock_timeout_s=TIMEOUT_S) as other,
        restaurant_locked(server.server_url, world.restaurant_id) as owner,
    ):
        first = asyncio.create_task(one.hold(world, booking.booking_id, "T1", request_id=request_id))
        await _queue_for_locks(database, 1)
        told = await client.get_operation(
            GetOperationRequest(method="HoldTables", operation_request_id=str(request_id))
        )
        assert told.state == OperationState.OPERATION_STATE_IN_PROGRESS
        repeat = other.hold(world, booking.booking_id, "T1", request_id=request_id)
        assert await outcomes(repeat) == [Reason.REQUEST_IN_PROGRESS]
        await owner.execute("COMMIT")
        await owner.execute("BEGIN")
        held = await first
        assert await other.hold(world, booking.booking_id, "T1", request_id=request_id) == held
    assert await sound(database, world)


async def test_of_named_restaurants_those_are_locked_that_are_the_tenants_and_free(
    server: Served, client: AsyncMaitredClient
) -> None:
    ids = sorted([UUID(world.restaurant_id) for world in await worlds_of(client, 3)])

    async def locked(connection: Connection, tenant_id: UUID, *named: UUID) -> list[UUID]:
        found = await connection.fetch(GROUPS["lock_free"], [tenant_id] * len(named), named)
        return [row["restaurant_id"] for row in found]

    async with connected(server.server_url) as one, connected(server.server_url) as other:
        await other.execute("SET lock_timeout = '5s'")
        async with one.transaction(), other.transaction():
            assert await locked(one, uuid4(), *ids) == []
            assert await locked(one, server.tenant_id, ids[1]) == [ids[1]]
            assert await locked(other, server.tenant_id, *reversed(ids)) == [ids[0], ids[2]]


async def test_whoever_hears_that_its_ttl_is_out_of_range_has_the_request_to_itself(
    server: Served, client: AsyncMaitredClient
) -> None:
    """The same request may go with another ttl, however long the others of its group are busy."""
    (world,) = await worlds_of(client, 1)
    one, other = await world.booking(), await world.booking()
    async with crew_on(server.server_url, server.tenant_id) as crew:
        pause, request_id = Pause(), uuid4()
        crew.plan.arm_for("COMMIT", pause)
        hasty, patient = (
            asyncio.create_task(each)
            for each in (
                crew.hold(world, one.booking_id, "T1", request_id=request_id, ttl_s=1.0),
                crew.hold(world, other.booking_id, "T2"),
            )
        )
        await pause.reached()
        assert not hasty.done()
        pause.go_on.set()
        refused, held = await outcomes(hasty, patient)
        assert (refused, type(held)) == (Reason.HOLD_TTL_OUT_OF_RANGE, Held)
        again = await crew.hold(world, one.booking_id, "T1", request_id=request_id, ttl_s=60.0)
        assert isinstance(again, Held)


async def test_nobody_is_left_behind_by_who_wanted_to_wait_for_the_lock_and_gave_up(
    server: Served, client: AsyncMaitredClient
) -> None:
    """Whoever came after it needs a group of another kind then, and nobody else is there to start one."""
    (world,) = await worlds_of(client, 1)
    booking = await world.booking()
    async with crew_on(server.server_url, server.tenant_id, connections=1) as crew:
        footprint = Footprint(UUID(world.restaurant_id), tenant_id=crew.tenant_id)
        async with crew.store._pool.acquire():
            patient = Waiting(footprint, Deadline.after(TIMEOUT_S), contended=True)
            leaving = asyncio.create_task(crew.store._groups._seated(patient))
            await crew.queued(1)
            staying = asyncio.create_task(crew.hold(world, booking.booking_id, "T1"))
            await crew.queued(2)
            leaving.cancel()
            await crew.queued(1)
        assert isinstance(await staying, Held)


async def _queue_for_locks(database: Connection, length: int) -> None:
    """Returns when so many wait for what others have locked."""
    query = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0
    """
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            if await database.fetchval(query) == length:
                return
            await asyncio.sleep(0)
