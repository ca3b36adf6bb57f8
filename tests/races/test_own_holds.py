"""A3: A booking's own claims never stand in its own way, and nobody else ever gets in between."""

from contextlib import suppress
from datetime import timedelta

import pytest

from maitred_client import (
    HoldAlreadyReleasedError,
    TableConflictAssignedError,
    TableConflictHeldError,
)
from maitred_client.messages import Booking, Hold, HoldState, ValidateSelectionRequest
from tests.builders.world import STAY, World, evening
from tests.races.attempts import together
from tests.races.evidence import broken_invariants
from tests.support.database import Connection

pytestmark = pytest.mark.shared_server

LATER = timedelta(minutes=30)


async def claimed(database: Connection, world: World, name: str) -> list[tuple[str, int, int]]:
    """The claims on one table: kind, start and end in minutes after the evening's first party."""
    rows = await database.fetch(
        "SELECT kind, lower(during) AS start, upper(during) AS end FROM table_claims "
        "WHERE restaurant_id = $1 AND table_id = $2 ORDER BY 2",
        world.restaurant_id,
        world.tables[name],
    )
    minute = timedelta(minutes=1)
    return [
        (row["kind"], (row["start"] - evening()) // minute, (row["end"] - evening()) // minute)
        for row in rows
    ]


async def changed(world: World, booking: Booking, **wanted: object) -> Booking:
    """The booking with another need; it still sits on its old tables."""
    return await world.booking(booking_id=booking.booking_id, **wanted)  # type: ignore[arg-type]


async def require_kept_out(world: World, name: str) -> None:
    """Nobody else gets the table, neither at the old nor at the new time, however many try at once."""
    others = [
        await world.booking(start=start)
        for start in (evening(), evening() + LATER, evening() + STAY - LATER)
        for _ in range(2)
    ]
    tried = await together(world.hold(other, name) for other in others)
    assert tried.answers == ()
    assert set(tried.reasons) <= {"TABLE_CONFLICT_HELD", "TABLE_CONFLICT_ASSIGNED"}


async def test_a_second_hold_of_the_same_booking_supersedes_the_first(
    world: World, database: Connection
) -> None:
    booking = await world.booking(party=6)
    first = await world.hold(booking, "T1", "T2")
    validity = await world.client.validate_selection(
        ValidateSelectionRequest(
            restaurant_id=world.restaurant_id,
            booking_id=booking.booking_id,
            table_ids=world.ids(["T2", "T3"]),
        )
    )
    assert validity.valid
    answer = await world.client.hold_tables(world.hold_request(booking.booking_id, ["T2", "T3"]))
    assert list(answer.superseded_hold_ids) == [first.hold_id]
    assert (await world.hold_now(first)).state == HoldState.HOLD_STATE_RELEASED
    assert await claimed(database, world, "T1") == []
    with pytest.raises(HoldAlreadyReleasedError):
        await world.confirm(first)
    assert sorted((await world.confirm(answer.hold)).table_ids) == sorted(world.ids(["T2", "T3"]))
    assert await broken_invariants(database, world.restaurant_id) == {}


async def test_twenty_holds_of_one_booking_at_once_leave_one(world: World, database: Connection) -> None:
    booking = await world.booking()
    held = await together(world.hold(booking, "T1") for _ in range(20))
    assert held.errors == ()
    states = [(await world.hold_now(hold)).state for hold in held.answers]
    assert states.count(HoldState.HOLD_STATE_ACTIVE) == 1
    assert states.count(HoldState.HOLD_STATE_RELEASED) == 19
    assert await claimed(database, world, "T1") == [("hold", 0, 120)]
    assert await broken_invariants(database, world.restaurant_id) == {}


async def test_a_changed_booking_holds_only_what_its_old_tables_do_not_cover(
    world: World, database: Connection
) -> None:
    booking = await world.seated("T1")
    booking = await changed(world, booking, start=evening() + LATER)
    hold = await world.hold(booking, "T1")
    assert await claimed(database, world, "T1") == [("assignment", 0, 120), ("hold", 120, 150)]
    await require_kept_out(world, "T1")
    await world.confirm(hold)
    assert await claimed(database, world, "T1") == [("assignment", 30, 150)]
    assert await broken_invariants(database, world.restaurant_id) == {}


async def test_giving_up_such_a_hold_leaves_the_old_assignment_whole(
    world: World, database: Connection
) -> None:
    booking = await world.seated("T1")
    booking = await changed(world, booking, start=evening() + LATER)
    await world.release(await world.hold(booking, "T1"))
    assert await claimed(database, world, "T1") == [("assignment", 0, 120)]
    assert await broken_invariants(database, world.restaurant_id) == {}


async def test_the_hold_takes_over_when_the_old_assignment_is_given_up(
    world: World, database: Connection
) -> None:
    booking = await world.seated("T1")
    booking = await changed(world, booking, start=evening() + LATER)
    hold = await world.hold(booking, "T1")
    await world.unassign(booking)
    assert await claimed(database, world, "T1") == [("hold", 30, 150)]
    assert (await world.confirm(hold)).hold_id == hold.hold_id
    assert await claimed(database, world, "T1") == [("assignment", 30, 150)]
    assert await broken_invariants(database, world.restaurant_id) == {}


async def test_a_hold_that_the_old_tables_cover_wholly_is_superseded_as_well(
    world: World, database: Connection
) -> None:
    booking = await changed(world, await world.seated("T1"), party=3)
    first = await world.hold(booking, "T1")
    second = await world.hold(booking, "T1")
    assert (await world.hold_now(first)).state == HoldState.HOLD_STATE_RELEASED
    await world.unassign(booking)
    assert await claimed(database, world, "T1") == [("hold", 0, 120)]
    await world.confirm(second)
    assert await broken_invariants(database, world.restaurant_id) == {}


async def test_taking_away_one_of_two_tables_leaves_a_hold_on_both_whole(
    world: World, database: Connection
) -> None:
    booking = await changed(world, await world.seated("T1", "T2", party=6), party=3, start=evening() + LATER)
    hold = await world.hold(booking, "T1", "T2")
    await world.unassign(booking, "T2")
    assert await claimed(database, world, "T1") == [("assignment", 0, 120), ("hold", 120, 150)]
    assert await claimed(database, world, "T2") == [("hold", 30, 150)]
    await world.confirm(hold)
    assert await claimed(database, world, "T1") == [("assignment", 30, 150)]
    assert await broken_invariants(database, world.restaurant_id) == {}


async def test_nobody_gets_in_between_while_a_booking_moves_its_window(
    world: World, database: Connection
) -> None:
    """Others try without a pause while one booking goes from hold to hold on its own table."""
    booking = await world.seated("T1")
    stranger = await world.booking(start=evening() + LATER)
    entered: list[Hold] = []

    async def move() -> None:
        moved = booking
        for step in (1, 0, 1, 0):
            moved = await changed(world, moved, start=evening() + step * LATER)
            await world.confirm(await world.hold(moved, "T1"))

    async def try_to_enter() -> None:
        for _ in range(20):
            with suppress(TableConflictHeldError, TableConflictAssignedError):
                entered.append(await world.hold(stranger, "T1"))

    outcome = await together([move(), try_to_enter(), try_to_enter()])
    assert outcome.errors == ()
    assert entered == []
    assert await claimed(database, world, "T1") == [("assignment", 0, 120)]
    assert await broken_invariants(database, world.restaurant_id) == {}


async def test_another_booking_is_still_kept_out(world: World) -> None:
    await world.hold(await world.booking(), "T1")
    with pytest.raises(TableConflictHeldError):
        await world.hold(await world.booking(), "T1")
