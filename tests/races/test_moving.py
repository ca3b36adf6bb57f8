"""A5, A11: Holds that are replaced or extended and parties that move, while others want the same tables."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from maitred_client import (
    TableConflictAssignedError,
    TableConflictHeldError,
    instant,
)
from maitred_client.messages import Booking, BookingAction, Hold
from tests.builders.world import World
from tests.races.attempts import together
from tests.races.evidence import broken_invariants
from tests.support.database import Connection

pytestmark = pytest.mark.shared_server

SETS = (("T2", "T3"), ("T1", "T2"))
MOVES = 6
TRIES = 30


async def require_kept(world: World, move: Callable[[], Awaitable[None]]) -> None:
    """While `move` is at work, strangers try without a pause to hold T2; none ever gets it."""
    entered: list[Hold] = []
    stranger = await world.booking()

    async def try_to_enter() -> None:
        for _ in range(TRIES):
            with suppress(TableConflictHeldError, TableConflictAssignedError):
                entered.append(await world.hold(stranger, "T2"))

    outcome = await together([move(), try_to_enter(), try_to_enter()])
    assert outcome.errors == ()
    assert entered == []


async def test_a_table_that_both_sets_share_is_never_free_while_a_hold_is_replaced(
    world: World, database: Connection
) -> None:
    first = await world.hold(await world.booking(party=6), "T1", "T2")

    async def move() -> None:
        hold = first
        for step in range(MOVES):
            hold = (await world.replace(hold, *SETS[step % 2])).hold
        await world.confirm(hold)

    await require_kept(world, move)
    assert await broken_invariants(database, world.restaurant_id) == {}


async def test_a_table_that_both_sets_share_is_never_free_while_a_party_moves(
    world: World, database: Connection
) -> None:
    booking = await world.seated("T1", "T2", party=6)

    async def move() -> None:
        for step in range(MOVES):
            await world.reassign(booking, *SETS[step % 2])

    await require_kept(world, move)
    assert await broken_invariants(database, world.restaurant_id) == {}


async def test_of_several_parties_that_move_to_one_table_one_gets_it(
    world: World, database: Connection
) -> None:
    bookings = [await world.seated(name) for name in ("T1", "T2", "T3", "T5")]
    moved = await together(world.reassign(booking, "T4") for booking in bookings)
    assert len(moved.answers) == 1
    assert set(moved.reasons) == {"TABLE_CONFLICT_ASSIGNED"}
    assert {(await world.read(booking.booking_id)).needs_tables for booking in bookings} == {False}
    assert await broken_invariants(database, world.restaurant_id) == {}


async def test_two_parties_that_want_each_others_table_both_stay(world: World, database: Connection) -> None:
    first, second = await world.seated("T1"), await world.seated("T2")
    moved = await together([world.reassign(first, "T2"), world.reassign(second, "T1")])
    assert moved.answers == ()
    assert await present(world, first, second) == [first, second]
    assert await broken_invariants(database, world.restaurant_id) == {}


async def test_of_many_extensions_at_once_the_longest_counts(world: World, database: Connection) -> None:
    hold = await world.hold(await world.booking(party=6), "T1", "T2", ttl_s=60)
    extended = await together(world.extend(hold, ttl_s=60 + 40 * (number % 10)) for number in range(20))
    assert extended.errors == ()
    now = await world.hold_now(hold)
    assert instant(now.expires_at) == max(instant(each.expires_at) for each in extended.answers)
    assert await broken_invariants(database, world.restaurant_id) == {}


async def test_one_of_the_calls_that_end_a_hold_does_and_the_others_find_it_ended(
    world: World, database: Connection
) -> None:
    """Confirm, release, replace and extend at once: whatever comes first, the hold ends once."""
    for _ in range(5):
        booking = await world.booking(party=6)
        hold = await world.hold(booking, "T1", "T2", ttl_s=60)
        done = await together(
            [
                world.confirm(hold),
                world.replace(hold, "T2", "T3"),
                world.extend(hold, ttl_s=300),
                world.release(hold),
            ]
        )
        assert set(done.reasons) <= {"HOLD_ALREADY_CONFIRMED", "HOLD_ALREADY_RELEASED"}
        assert await broken_invariants(database, world.restaurant_id) == {}
        await world.transition(booking, BookingAction.BOOKING_ACTION_CANCEL)


async def present(world: World, *bookings: Booking) -> list[Booking]:
    return [await world.read(booking.booking_id) for booking in bookings]
