"""Changes that wait at one moment share a transaction and a commit, and each is what it would be by itself."""

import asyncio
import gc
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from maitred_client import AsyncMaitredClient, TableConflictHeldError
from server.domain.claims import Hold, HoldState
from server.errors import Reason, ServiceError
from server.orchestrator.assigning import Assigned
from server.orchestrator.hold_tables import Held
from server.orchestrator.ports import Standing
from server.orchestrator.replace_hold import Replaced
from server.orchestrator.unassign_tables import Unassigned
from server.persistence import group
from server.persistence.group import Group
from server.persistence.group_member import Member
from tests.builders.world import STAY, World, evening, small_world
from tests.conftest import Served
from tests.races.crew import NOWHERE, OPENING, Crew, Pause, crew_on, just_count, outcomes, worlds_of
from tests.races.evidence import count, sound, versions_of
from tests.support.database import Connection, expire

pytestmark = pytest.mark.shared_server


async def transactions_of(database: Connection, request_ids: Sequence[UUID]) -> list[int]:
    """The transaction that recorded each request."""
    found = await database.fetch(
        "SELECT request_id, xmin::text AS number FROM idempotency_ledger WHERE request_id = any($1)",
        list(request_ids),
    )
    numbers = {row["request_id"]: int(row["number"]) for row in found}
    return [numbers[request_id] for request_id in request_ids]


async def one_of_each(crew: Crew, world: World, ids: Sequence[UUID]) -> list[Any]:
    """A hold, an assignment, a confirm, a release, and a hold that is refused and told of."""
    one, two, three = [await world.booking() for _ in range(3)]
    held = await world.hold(await world.booking(), "T3")
    given_up = await world.hold(await world.booking(), "T4")
    return [
        crew.hold(world, one.booking_id, "T1", request_id=ids[0]),
        crew.assign(world, two.booking_id, "T2", request_id=ids[1]),
        crew.confirm(world, held.hold_id, held.booking_id, request_id=ids[2]),
        crew.release(world, given_up.hold_id, request_id=ids[3]),
        crew.hold(world, three.booking_id, "T3", request_id=ids[4]),
    ]


async def test_changes_of_many_restaurants_and_tables_are_one_transaction(
    server: Served, client: AsyncMaitredClient, database: Connection
) -> None:
    worlds, ids = await worlds_of(client, 3), [uuid4() for _ in range(15)]
    async with crew_on(server.server_url, server.tenant_id) as crew:
        calls = [
            call
            for number, world in enumerate(worlds)
            for call in await one_of_each(crew, world, ids[5 * number :])
        ]
        before = await versions_of(database, worlds)
        crew.plan.arm_for(NOWHERE, just_count)
        answers = await outcomes(*calls)
        assert [type(answer) for answer in answers] == [Held, Assigned, Assigned, Hold, Reason] * 3
        assert crew.transactions == 1
        after = await versions_of(database, worlds)
        assert {str(told.restaurant_id): told.floor_version for told in crew.announced} == after
    assert after == {restaurant_id: version + 5 for restaurant_id, version in before.items()}
    assert len(set(await transactions_of(database, ids))) == 1
    await require_places_of_their_own(database, before, ids)
    assert await sound(database, *worlds)


async def require_places_of_their_own(
    database: Connection, before: Mapping[str, int], ids: Sequence[UUID]
) -> None:
    """Each change has a floor version to itself, with its audit entry and its events, and nobody else's."""
    for restaurant_id, version in before.items():
        trace = await database.fetch(
            "SELECT floor_version - $2 AS step FROM audit_log"
            " WHERE restaurant_id = $1 AND floor_version > $2 ORDER BY 1",
            restaurant_id,
            version,
        )
        assert [row["step"] for row in trace] == [1, 2, 3, 4, 5]
    told = await database.fetch(
        "SELECT idempotency_key, count(DISTINCT (restaurant_id, floor_version)) AS places"
        " FROM capacity_outbox WHERE idempotency_key = any($1) GROUP BY 1",
        [str(request_id) for request_id in ids],
    )
    assert {row["idempotency_key"]: row["places"] for row in told} == {str(each): 1 for each in ids}


@pytest.mark.parametrize("members_max", [1, 128], ids=["alone", "in a group"])
async def test_nobody_is_told_of_a_change_that_is_not_committed(
    server: Served, client: AsyncMaitredClient, members_max: int
) -> None:
    (world,) = await worlds_of(client, 1)
    booking = await world.booking()
    async with crew_on(server.server_url, server.tenant_id, members_max=members_max) as crew:
        pause = Pause()
        crew.plan.arm_for("COMMIT", pause)
        call = asyncio.create_task(crew.hold(world, booking.booking_id, "T1"))
        await pause.reached()
        assert (call.done(), crew.announced) == (False, [])
        pause.go_on.set()
        assert isinstance(await call, Held)
        assert len(crew.announced) == 1


async def test_a_lone_change_starts_at_once_and_whoever_comes_meanwhile_follows_it(
    server: Served, client: AsyncMaitredClient, database: Connection
) -> None:
    here, there = await worlds_of(client, 2)
    one, two, three = await here.booking(), await there.booking(), await there.booking()
    async with crew_on(server.server_url, server.tenant_id, groups_max=1) as crew:
        pause = Pause()
        crew.plan.arm_for(OPENING, pause)
        lone = asyncio.create_task(crew.hold(here, one.booking_id, "T1"))
        await pause.reached()
        later = [
            asyncio.create_task(crew.hold(there, booking.booking_id, table))
            for booking, table in ((two, "T1"), (three, "T2"))
        ]
        await crew.queued(2)
        assert crew.transactions == 1
        pause.go_on.set()
        assert [type(answer) for answer in await outcomes(lone, *later)] == [Held] * 3
        assert crew.transactions == 2
    assert await sound(database, here, there)


async def test_a_crowd_is_shared_out_among_the_groups_that_may_be_under_way(
    server: Served, client: AsyncMaitredClient, database: Connection
) -> None:
    """So that one is decided upon while another waits for the database."""
    worlds, tables = await worlds_of(client, 12), ("T1", "T2", "T3")
    bookings = [(world, table, await world.booking()) for world in worlds for table in tables]
    async with crew_on(server.server_url, server.tenant_id, groups_max=2) as crew:
        pause = Pause()
        crew.plan.arm_for(OPENING, pause)
        holds = [crew.hold(world, booking.booking_id, table) for world, table, booking in bookings]
        calls = list(map(asyncio.create_task, holds))
        groups = {asyncio.create_task(outcomes(*calls[:18])), asyncio.create_task(outcomes(*calls[18:]))}
        # Which of the two comes to the database first, and is stopped there, is chance.
        await pause.reached()
        await asyncio.wait(groups, return_when=asyncio.FIRST_COMPLETED)
        assert sum(call.done() for call in calls) == 18
        pause.go_on.set()
        answers = [answer for group in await asyncio.gather(*groups) for answer in group]
        assert [each for each in answers if not isinstance(each, Held)] == []
        assert crew.transactions == 2
    assert await sound(database, *worlds)


@pytest.mark.parametrize("party", [2, 12])
async def test_the_second_on_a_table_is_decided_after_the_first(
    party: int, server: Served, client: AsyncMaitredClient, database: Connection
) -> None:
    """Who comes first and is refused leaves the table to the next."""
    world = await small_world(client)
    first, second = await world.booking(party=party), await world.booking()
    ids = [uuid4(), uuid4()]
    async with crew_on(server.server_url, server.tenant_id) as crew:
        answers = await outcomes(
            crew.hold(world, first.booking_id, "T1", request_id=ids[0]),
            crew.hold(world, second.booking_id, "T1", request_id=ids[1]),
        )
    if party == 2:
        assert isinstance(answers[0], Held)
        assert answers[1] is Reason.TABLE_CONFLICT_HELD
    else:
        assert answers[0] is Reason.CAPACITY_INSUFFICIENT
        assert isinstance(answers[1], Held)
    assert len(set(await transactions_of(database, ids))) == 2
    assert await sound(database, world)


async def test_a_refused_member_fails_nobody_and_its_refusal_is_remembered(
    server: Served, client: AsyncMaitredClient, database: Connection
) -> None:
    world = await small_world(client)
    taken = await world.hold(await world.booking(), "T1")
    bookings = [await world.booking() for _ in range(4)]
    ids = [uuid4() for _ in range(4)]
    tables = ("T1", "T2", "T3", "T4")

    def calls() -> list[Any]:
        return [
            crew.hold(world, booking.booking_id, table, request_id=request_id)
            for booking, table, request_id in zip(bookings, tables, ids, strict=True)
        ]

    async with crew_on(server.server_url, server.tenant_id) as crew:
        answers = await outcomes(*calls())
        assert [type(answer) for answer in answers] == [Reason, Held, Held, Held]
        assert answers[0] is Reason.TABLE_CONFLICT_HELD
        assert len(set(await transactions_of(database, ids))) == 1
        await world.release(taken)
        assert await outcomes(*calls()) == answers
    told = "SELECT count(*) FROM capacity_outbox WHERE restaurant_id = $1 AND event_type = $2"
    assert await count(database, told, world.restaurant_id, "capacity.hold.strict_conflict") == 1
    assert await sound(database, world)


async def test_repeats_of_one_moment_have_one_effect_and_one_answer(
    server: Served, client: AsyncMaitredClient, database: Connection
) -> None:
    """Under the same request_id nothing else is done beside it, in the same restaurant or in another."""
    world, elsewhere = await worlds_of(client, 2)
    booking, other, request_id = await world.booking(), await elsewhere.booking(), uuid4()
    async with crew_on(server.server_url, server.tenant_id) as crew:
        *same, reused, in_progress = await outcomes(
            *(crew.hold(world, booking.booking_id, "T1", request_id=request_id) for _ in range(5)),
            crew.hold(world, booking.booking_id, "T2", request_id=request_id),
            crew.hold(elsewhere, other.booking_id, "T1", request_id=request_id),
        )
    assert isinstance(same[0], Held)
    assert same == [same[0]] * 5
    assert (reused, in_progress) == (Reason.REQUEST_ID_REUSED, Reason.REQUEST_IN_PROGRESS)
    holds = "SELECT count(*) FROM holds WHERE restaurant_id = any($1)"
    assert await count(database, holds, [world.restaurant_id, elsewhere.restaurant_id]) == 1
    assert await sound(database, world, elsewhere)


async def test_nobody_is_asked_for_before_its_group_starts_once_its_time_is_over(
    server: Served, client: AsyncMaitredClient, database: Connection
) -> None:
    """Whose deadline passes or whose caller leaves while it waits leaves no trace."""
    here, there = await worlds_of(client, 2)
    first = await here.booking()
    late, left, patient = [await there.booking() for _ in range(3)]
    ids = [uuid4() for _ in range(3)]
    async with crew_on(server.server_url, server.tenant_id, groups_max=1) as crew:
        pause = Pause()
        crew.plan.arm_for(OPENING, pause)
        ahead = asyncio.create_task(crew.hold(here, first.booking_id, "T1"))
        await pause.reached()
        waiting = [
            asyncio.create_task(crew.hold(there, late.booking_id, "T1", request_id=ids[0], timeout_s=0.0)),
            asyncio.create_task(crew.hold(there, left.booking_id, "T1", request_id=ids[1])),
            asyncio.create_task(crew.hold(there, patient.booking_id, "T1", request_id=ids[2])),
        ]
        await crew.queued(3)
        waiting[1].cancel()
        await crew.queued(2)
        pause.go_on.set()
        assert isinstance(await ahead, Held)
        with pytest.raises(ServiceError) as refused:
            await waiting[0]
        assert refused.value.reason is Reason.DEADLINE_EXCEEDED
        assert isinstance(await waiting[2], Held)
        assert crew.transactions == 2
        assert crew.store.members_queued == 0
    recorded = "SELECT count(*) FROM idempotency_ledger WHERE request_id = any($1)"
    assert await count(database, recorded, ids) == 1
    assert await sound(database, here, there)


async def test_whoever_comes_when_too_many_wait_is_told_when_to_come_again(
    server: Served, client: AsyncMaitredClient
) -> None:
    """Each for a restaurant that nobody else is in the way of: it is groups that there are enough of."""
    guests = [(world, (await world.booking()).booking_id) for world in await worlds_of(client, 4)]
    async with crew_on(server.server_url, server.tenant_id, groups_max=1, queue_max=2) as crew:
        pause = Pause()
        crew.plan.arm_for(OPENING, pause)
        first = asyncio.create_task(crew.hold(*guests[0], "T1"))
        await pause.reached()
        waiting = [asyncio.create_task(crew.hold(*guest, "T1")) for guest in guests[1:3]]
        await crew.queued(2)
        with pytest.raises(ServiceError) as refused:
            await crew.hold(*guests[3], "T1")
        assert refused.value.reason is Reason.SERVER_OVERLOADED
        assert refused.value.refusal.retry_after_s
        pause.go_on.set()
        await asyncio.gather(first, *waiting)
        assert isinstance(await crew.hold(*guests[3], "T1"), Held)


async def test_members_that_end_the_same_hold_end_it_once(
    server: Served, client: AsyncMaitredClient, database: Connection
) -> None:
    """Ids do not tell that they meet: one releases a hold, others supersede it or find it expired."""
    world = await small_world(client)
    superseded = await world.hold(await world.booking(), "T1")
    over = await world.hold(await world.booking(party=6), "T3", "T4")
    await expire(server.server_url, over.hold_id)
    others = [await world.booking(), await world.booking()]
    async with crew_on(server.server_url, server.tenant_id) as crew:
        answers = await outcomes(
            crew.release(world, superseded.hold_id),
            crew.hold(world, superseded.booking_id, "T1"),
            crew.hold(world, others[0].booking_id, "T3"),
            crew.hold(world, others[1].booking_id, "T4"),
        )
    assert [type(answer) for answer in answers] == [Hold, Held, Held, Held]
    assert answers[0].state is HoldState.RELEASED
    assert answers[1].superseded == ()
    assert await sound(database, world)


async def test_who_finds_a_hold_over_that_another_confirms_comes_after_that(
    server: Served, client: AsyncMaitredClient, database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock is read for each member: here it goes on by an hour before it is read for the second."""
    world = await small_world(client)
    held, other = await world.hold(await world.booking(), "T1"), await world.booking()
    known = group._standing

    def later(row: Any) -> Standing | None:
        standing = known(row)
        assert standing is not None
        return replace(standing, now=standing.now + timedelta(hours=row["position"] - 1))

    monkeypatch.setattr(group, "_standing", later)
    async with crew_on(server.server_url, server.tenant_id) as crew:
        crew.plan.arm_for(NOWHERE, just_count)
        answers = await outcomes(
            crew.confirm(world, held.hold_id, held.booking_id), crew.hold(world, other.booking_id, "T1")
        )
        assert crew.transactions == 3, "of the first, of the second, and of the second's refusal"
    assert isinstance(answers[0], Assigned)
    assert answers[1] is Reason.TABLE_CONFLICT_ASSIGNED
    assert await sound(database, world)


@pytest.mark.parametrize("replaced_first", [True, False])
@pytest.mark.parametrize("given_up", [(), ("T1",)])
async def test_a_hold_is_whole_when_its_booking_gives_up_the_tables_below_it_at_the_same_moment(
    given_up: tuple[str, ...],
    replaced_first: bool,
    server: Served,
    client: AsyncMaitredClient,
    database: Connection,
) -> None:
    """Ids do not tell that they meet: one names the booking, the other a hold of it."""
    world = await small_world(client)
    seated = await world.seated("T1", "T2", party=6)
    booking = await world.booking(booking_id=seated.booking_id, start=evening() + STAY / 4)
    held = await world.hold(booking, "T3")
    async with crew_on(server.server_url, server.tenant_id) as crew:
        calls = [
            crew.replace(world, held.hold_id, "T1"),
            crew.unassign(world, booking.booking_id, *given_up),
        ]
        answers = await outcomes(*(calls if replaced_first else reversed(calls)))
    assert {type(answer) for answer in answers} == {Replaced, Unassigned}
    rival = await world.booking()
    with pytest.raises(TableConflictHeldError):
        await world.hold(rival, "T1")
    assert await sound(database, world)


async def test_what_members_have_read_and_written_goes_with_their_group(
    server: Served, client: AsyncMaitredClient
) -> None:
    """Without waiting for the collector, which would have thousands of such objects to look at under load."""
    world = await small_world(client)
    bookings = [await world.booking() for _ in range(2)]
    gc.disable()
    gc.freeze()  # what the tests before left behind is not looked at
    try:
        async with crew_on(server.server_url, server.tenant_id) as crew:
            asked = zip(bookings, ("T1", "T2"), strict=True)
            calls = [crew.hold(world, one.booking_id, table) for one, table in asked]
            assert [type(answer) for answer in await outcomes(*calls)] == [Held] * 2
            await asyncio.sleep(0)
        assert [each for each in gc.get_objects() if type(each) in (Group, Member)] == []
    finally:
        gc.unfreeze()
        gc.enable()


async def test_members_of_a_floor_that_nobody_has_read_yet_wait_for_one_reading(
    server: Served, client: AsyncMaitredClient
) -> None:
    world, other = await worlds_of(client, 2)
    pairs = [(where, await where.booking(), table) for where in (world, other) for table in ("T1", "T2")]
    async with crew_on(server.server_url, server.tenant_id, connections=1) as crew:
        crew.plan.arm_for(NOWHERE, just_count)
        answers = await outcomes(*(crew.hold(where, one.booking_id, table) for where, one, table in pairs))
        assert [type(answer) for answer in answers] == [Held] * 4
        assert crew.transactions == 1
        read = [statement for statement in crew.plan.statements if "adjacency" in statement]
        assert len(read) == 2
