"""Whatever happens to a shared transaction, its members are answered as if each had been alone."""

import asyncio
import itertools
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from maitred_client import AsyncMaitredClient, ServerOverloadedError
from maitred_client.messages import Booking
from server.clock import Deadline
from server.domain.claims import Claim, Hold
from server.domain.window import Window
from server.errors import ClaimKind, InvariantError, Reason
from server.orchestrator.assigning import Assigned
from server.orchestrator.changes import Changes
from server.orchestrator.hold_tables import Held
from server.orchestrator.ports import Footprint, RecordedRequest, Unit
from server.persistence import group, transactions
from server.persistence.group import Group, Seat
from server.persistence.pool import DriverConnection
from server.persistence.switches import Position, SwitchName, turn_switch
from tests.builders.world import World, evening, small_world
from tests.conftest import Served
from tests.races.behind_faults import interrupted
from tests.races.crew import NOWHERE, OPENING, TIMEOUT_S, Crew, Pause, crew_on, just_count, outcomes
from tests.races.evidence import Dump, broken_invariants, difference, dump, versions_of
from tests.races.faults import Run, Strike, cut_after, cut_before, refused_with
from tests.races.operations import LATER, day
from tests.support.clock import TimeLimits, run_out
from tests.support.database import Connection, connected, rows
from tests.support.gate import gate_to_postgres

pytestmark = pytest.mark.shared_server

# BEGIN, what there is once the restaurants are locked, what is written, COMMIT: no group takes fewer.
STATEMENTS_MIN = 4
OCCASIONS = 9
ANSWERS = [Held, Assigned, Hold, Assigned, Assigned, Reason]


@dataclass(frozen=True, slots=True)
class Occasion:
    """Six changes of one moment in two restaurants, one of which is refused and told of. They can be repeated."""

    crew: Crew
    here: World
    there: World
    holds: Mapping[str, Held]
    bookings: Mapping[str, Booking]
    request_ids: Sequence[UUID]

    def calls(self) -> list[Awaitable[Any]]:
        crew, ids, bookings = self.crew, self.request_ids, self.bookings
        return [
            crew.hold(self.here, bookings["new"].booking_id, "T1", request_id=ids[0]),
            self._confirm(self.here, "moved", ids[1]),
            crew.release(self.there, str(self.holds["given up"].hold.hold_id), request_id=ids[2]),
            crew.assign(self.here, bookings["walks in"].booking_id, "T3", request_id=ids[3]),
            self._confirm(self.there, "waiting", ids[4]),
            crew.hold(self.here, bookings["too late"].booking_id, "T4", request_id=ids[5]),
        ]

    def _confirm(self, world: World, name: str, request_id: UUID) -> Awaitable[Any]:
        hold = self.holds[name].hold
        return self.crew.confirm(world, str(hold.hold_id), str(hold.booking_id), request_id=request_id)


@dataclass(frozen=True, slots=True)
class Scene:
    crew: Crew
    here: World
    there: World
    database: Connection

    async def occasions(self, number: int = OCCASIONS) -> list[Occasion]:
        return await asyncio.gather(*(self._occasion(each) for each in range(number)))

    async def _occasion(self, number: int) -> Occasion:
        """On a day of its own."""
        crew, start = self.crew, day(number)
        names = ("new", "moved", "walks in", "too late", "in the way")
        bookings = {name: await self.here.booking(start=start) for name in names}
        guests = {name: await self.there.booking(start=start) for name in ("given up", "waiting")}
        moved = bookings["moved"].booking_id
        await crew.assign(self.here, moved, "T2")
        await self.here.booking(booking_id=moved, start=start + LATER)
        await crew.hold(self.here, bookings["in the way"].booking_id, "T4")
        holds = {
            "moved": await crew.hold(self.here, moved, "T2"),
            "given up": await crew.hold(self.there, guests["given up"].booking_id, "T1"),
            "waiting": await crew.hold(self.there, guests["waiting"].booking_id, "T2"),
        }
        return Occasion(crew, self.here, self.there, holds, bookings, [uuid4() for _ in ANSWERS])

    async def dump(self) -> list[Dump]:
        return [await dump(self.database, world.restaurant_id) for world in (self.here, self.there)]

    async def effect(self, before: Sequence[Dump]) -> list[dict[str, int]]:
        return [difference(one, other) for one, other in zip(before, await self.dump(), strict=True)]

    async def require_sound(self) -> None:
        for world in (self.here, self.there):
            assert await broken_invariants(self.database, world.restaurant_id) == {}


@pytest.fixture
async def scene(server: Served, client: AsyncMaitredClient, database: Connection) -> Any:
    here, there = await small_world(client), await small_world(client)
    async with crew_on(server.server_url, server.tenant_id) as crew:
        yield Scene(crew, here, there, database)


FAULTS: dict[str, Sequence[Strike]] = {
    "cut": (cut_before, cut_after),
    "refused": [refused_with(state) for state in ("40001", "23514", "40P01", "23505", "57014")],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
async def test_a_group_that_fails_is_tried_member_by_member(scene: Scene, faults: Sequence[Strike]) -> None:
    """At whatever statement: everybody is answered, and everything has happened once."""
    first, *occasions = await scene.occasions()
    before = await scene.dump()
    assert [type(answer) for answer in await outcomes(*first.calls())] == ANSWERS
    effect = await scene.effect(before)
    strikes = itertools.cycle(faults)
    for at, occasion in enumerate(occasions, start=1):
        before = await scene.dump()
        scene.crew.plan.arm(at, next(strikes))
        answers = await outcomes(*occasion.calls())
        struck_at = scene.crew.plan.struck_at
        scene.crew.plan.disarm()
        assert [type(answer) for answer in answers] == ANSWERS, (struck_at, answers)
        assert await outcomes(*occasion.calls()) == answers
        assert await scene.effect(before) == effect, struck_at
        if struck_at.startswith("COMMIT"):
            break
    assert STATEMENTS_MIN <= at < len(occasions)
    await scene.require_sound()


@pytest.mark.parametrize("strike", [cut_before, cut_after], ids=["before", "after"])
async def test_a_commit_without_an_answer_is_found_out_about(scene: Scene, strike: Strike) -> None:
    occasion, later = await scene.occasions(2)
    scene.crew.plan.arm_for("COMMIT", strike)
    before = await scene.dump()
    answers = await outcomes(*occasion.calls())
    assert scene.crew.transactions > len(ANSWERS)
    scene.crew.plan.disarm()
    assert [type(answer) for answer in answers] == ANSWERS
    told = {(str(each.restaurant_id), each.floor_version) for each in scene.crew.announced}
    assert (await versions_of(scene.database, (scene.here, scene.there))).items() <= told
    effect = await scene.effect(before)
    before = await scene.dump()
    assert [type(answer) for answer in await outcomes(*later.calls())] == ANSWERS
    assert await scene.effect(before) == effect
    await scene.require_sound()


async def test_others_are_told_of_a_commit_whose_caller_has_gone(
    server: Served, client: AsyncMaitredClient
) -> None:
    """By itself: a group does not go with any of its members."""
    world = await small_world(client)
    booking = await world.booking()

    async def go(_: DriverConnection, run: Run) -> Any:
        answer = await run()
        call.cancel()
        return answer

    async with crew_on(server.server_url, server.tenant_id, members_max=1) as crew:
        crew.plan.arm_for("COMMIT", go)
        call = asyncio.ensure_future(crew.hold(world, booking.booking_id, "T1"))
        await asyncio.wait({call})
        assert call.cancelled()
        assert len(crew.announced) == 1


async def test_a_commit_that_is_refused_before_it_has_begun_leaves_no_transaction(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise the pool would end it, with an error in the log."""

    async def refuse(connection: DriverConnection, _: Run) -> Any:
        return await asyncpg.Connection.execute(connection, "DO $$ BEGIN RAISE query_canceled; END $$")

    (occasion,) = await scene.occasions(1)
    scene.crew.plan.arm_for("COMMIT", refuse)
    assert [type(answer) for answer in await outcomes(*occasion.calls())] == ANSWERS
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []
    await scene.require_sound()


async def test_a_member_that_leaves_disturbs_nobody_at_any_statement(scene: Scene) -> None:
    """What it wanted is there whole or not at all; who repeats its call finds out."""
    first, *occasions = await scene.occasions()
    before = await scene.dump()
    await outcomes(*first.calls())
    effect = await scene.effect(before)
    for at, occasion in enumerate(occasions, start=1):
        before = await scene.dump()
        leaver = at % len(ANSWERS)
        tasks = [asyncio.ensure_future(call) for call in occasion.calls()]

        async def leave(_: DriverConnection, run: Run, leaving: "asyncio.Future[Any]" = tasks[leaver]) -> Any:
            leaving.cancel()
            return await run()

        scene.crew.plan.arm(at, leave)
        with suppress(asyncio.CancelledError):
            await tasks[leaver]
        others = [task for number, task in enumerate(tasks) if number != leaver]
        found = [type(answer) for answer in await outcomes(*others)]
        assert found == [kind for number, kind in enumerate(ANSWERS) if number != leaver], at
        struck_at = scene.crew.plan.struck_at
        scene.crew.plan.disarm()
        assert [type(answer) for answer in await outcomes(*occasion.calls())] == ANSWERS
        assert await scene.effect(before) == effect
        if struck_at.startswith("COMMIT"):
            break
    assert STATEMENTS_MIN <= at < len(occasions)
    await scene.require_sound()
    assert scene.crew.store.members_queued == 0


async def test_nobody_waits_for_who_leaves_when_its_group_has_started_and_it_was_not_told_yet(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    bookings = [await scene.here.booking() for _ in range(2)]
    leaving, staying = [
        asyncio.ensure_future(scene.crew.hold(scene.here, booking.booking_id, table))
        for booking, table in zip(bookings, ("T1", "T2"), strict=True)
    ]
    seat = Group._seat

    def seat_and_leave(group: Group, seats: Iterable[Seat]) -> None:
        seat(group, seats)
        leaving.cancel()

    monkeypatch.setattr(Group, "_seat", seat_and_leave)
    assert isinstance(await asyncio.wait_for(staying, TIMEOUT_S), Held)
    assert leaving.cancelled()
    await scene.require_sound()


async def test_a_member_that_the_database_refuses_fails_nobody_else(scene: Scene) -> None:
    bookings = [await scene.here.booking() for _ in range(2)]
    restaurant_id = UUID(scene.here.restaurant_id)
    window = Window(evening(), evening() + timedelta(hours=1))
    request = RecordedRequest(scene.crew.tenant_id, "HoldTables", uuid4(), ())

    async def claim_for_nobody(unit: Unit) -> None:
        await unit.recall(request, Held)
        await unit.lock_restaurant(scene.crew.tenant_id, restaurant_id)
        claim = Claim(UUID(scene.here.tables["T3"]), window, ClaimKind.HOLD, uuid4(), uuid4(), evening())
        await unit.write(restaurant_id, Changes(claims_added=(claim,)))
        await unit.record(request, None)

    scene.crew.plan.arm_for(NOWHERE, just_count)
    one, bad, other = await asyncio.gather(
        scene.crew.hold(scene.here, bookings[0].booking_id, "T1"),
        scene.crew.store.run_together(claim_for_nobody, Deadline.after(TIMEOUT_S), Footprint(restaurant_id)),
        scene.crew.hold(scene.here, bookings[1].booking_id, "T2"),
        return_exceptions=True,
    )
    assert (type(one), type(bad), type(other)) == (Held, InvariantError, Held)
    assert scene.crew.transactions == 4
    await scene.require_sound()


async def test_nobody_waits_for_a_connection_that_has_gone_silent(
    server: Served, client: AsyncMaitredClient
) -> None:
    world = await small_world(client)
    first, second = await world.booking(), await world.booking()
    async with (
        gate_to_postgres(server.server_url) as (gate, url),
        crew_on(url, server.tenant_id, groups_max=1) as crew,
    ):
        assert await crew.store.why_away() is None
        gate.lose()
        assert await outcomes(crew.hold(world, first.booking_id, "T1", timeout_s=0.1)) == [
            Reason.DEADLINE_EXCEEDED
        ]
        assert isinstance(await crew.hold(world, second.booking_id, "T2"), Held)


async def test_who_waits_for_a_group_does_not_hear_that_the_one_before_has_lost_its_connection(
    server: Served, client: AsyncMaitredClient
) -> None:
    world = await small_world(client)
    first, second = await world.booking(), await world.booking()
    async with crew_on(server.server_url, server.tenant_id, groups_max=1) as crew:

        async def cut_with_another_waiting(connection: DriverConnection, run: Run) -> Any:
            waiting.append(asyncio.ensure_future(crew.hold(world, second.booking_id, "T2")))
            while not crew.store.members_queued:  # noqa: ASYNC110 nobody tells who queues
                await asyncio.sleep(0)
            return await cut_before(connection, run)

        waiting: list[asyncio.Future[Held]] = []
        crew.plan.arm_for(OPENING, cut_with_another_waiting)
        assert isinstance(await crew.hold(world, first.booking_id, "T1"), Held)
        assert isinstance(await waiting[0], Held)


async def test_a_member_whose_group_gives_up_on_its_commit_goes_on_by_itself(
    server: Served, client: AsyncMaitredClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is closed by then, and has been taken back by the pool."""
    limits = TimeLimits(monkeypatch, group)
    monkeypatch.setattr(transactions, "END_TIMEOUT_S", 0.01)

    async def say_nothing(connection: DriverConnection, _: Run) -> Any:
        # For as long as a group waits.
        run_out(limits.begun[-1])
        closed = asyncio.Event()
        connection.add_termination_listener(lambda _: closed.set())
        await closed.wait()
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    world = await small_world(client)
    booking = await world.booking()
    async with crew_on(server.server_url, server.tenant_id) as crew:
        crew.plan.arm_for("COMMIT", say_nothing)
        async with asyncio.timeout(TIMEOUT_S):
            held = await crew.hold(world, booking.booking_id, "T1", timeout_s=10 * TIMEOUT_S)
        assert isinstance(held, Held)


async def test_direct_telemetry_is_written_for_every_change_of_a_group(own_server: Served) -> None:
    url = own_server.server_url
    async with own_server.client() as client, crew_on(url, own_server.tenant_id) as crew:
        here, there = await small_world(client), await small_world(client)
        wanted = [(world, await world.booking(), table) for world in (here, there) for table in ("T1", "T2")]
        await turn_switch(url, SwitchName.DIRECT_TELEMETRY, Position.ON, "Ada", "")
        crew.plan.arm_for(NOWHERE, just_count)
        await asyncio.gather(*(crew.hold(world, one.booking_id, table) for world, one, table in wanted))
        assert crew.transactions == 1
    told = await rows(url, "SELECT id FROM capacity_outbox WHERE event_type = 'capacity.hold.created'")
    written = await rows(url, "SELECT event_id AS id FROM telemetry_events")
    assert len(written) == len(wanted)
    assert {row["id"] for row in written} == {row["id"] for row in told}


async def test_callers_of_a_server_travel_together_and_too_many_are_told_when_to_come_again(
    database_url: str,
) -> None:
    async with (
        interrupted(database_url, groups_max=1, group_queue_max=3) as behind,
        connected(database_url) as database,
    ):
        place, pause = behind.place, Pause()
        tables = ("W1", "W2", "W3", "W4", "P1", "P2")
        requests = [place.hold_request((await place.party()).booking_id, [table]) for table in tables]
        behind.plan.arm_for(OPENING, pause)
        first = asyncio.create_task(place.client.hold_tables(requests[0]))
        await pause.reached()
        others = [asyncio.create_task(place.client.hold_tables(request)) for request in requests[1:]]
        refused = []
        for each in itertools.islice(asyncio.as_completed(others), 2):
            with pytest.raises(ServerOverloadedError) as caught:
                await each
            refused.append(caught.value)
        assert all(error.retry_after_s for error in refused)
        pause.go_on.set()
        answers = await asyncio.gather(first, *others, return_exceptions=True)
        assert len([answer for answer in answers if not isinstance(answer, ServerOverloadedError)]) == 4
        shared = "SELECT count(*) AS members FROM holds GROUP BY xmin::text ORDER BY 1"
        assert [row["members"] for row in await database.fetch(shared)] == [1, 3]
        await behind.require_sound()
