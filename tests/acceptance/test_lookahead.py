"""P9: Tables are kept for bookings that are known and still wait for theirs."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from maitred_client import AsyncMaitredClient
from maitred_client.messages import (
    Booking,
    BookingAction,
    Plan,
    PlanOutcome,
    PlanTablesRequest,
    PlanTablesResponse,
)
from server.domain.limits import WAITING_BOOKINGS_MAX
from tests.builders.world import TableSpec, World, evening, small_world
from tests.builders.world_extras import House, always_open_policy, house
from tests.conftest import Served
from tests.support.database import rows
from tests.support.kept import forget_diaries

pytestmark = pytest.mark.shared_server

# Two hours at the default weight of 30, for each of eight people.
PRICE_OF_EIGHT = 30 * 8 * 24


@pytest.fixture
async def bistro(client: AsyncMaitredClient) -> World:
    """An eight-top, and two tables of three that can be pushed together."""
    tables = (TableSpec("E8", 8), TableSpec("A3", 3), TableSpec("B3", 3))
    return await small_world(client, tables=tables, adjacent=[("A3", "B3")])


async def planned(world: World, booking: Booking) -> PlanTablesResponse:
    return await world.client.plan_tables(
        PlanTablesRequest(restaurant_id=world.restaurant_id, booking_id=booking.booking_id)
    )


def tables(world: World, plan: Plan) -> set[str]:
    return {name for name, table_id in world.tables.items() if table_id in plan.table_ids}


def lookahead(plan: Plan) -> float:
    return next(term.cost for term in plan.breakdown if term.name == "lookahead")


async def test_the_eight_top_is_kept_for_the_known_party_of_eight_an_hour_later(bistro: World) -> None:
    six = await bistro.booking(party=6)
    assert tables(bistro, (await planned(bistro, six)).plans[0]) == {"E8"}
    await bistro.booking(party=8, start=evening(20))
    answer = await planned(bistro, six)
    assert [tables(bistro, plan) for plan in answer.plans] == [{"A3", "B3"}, {"E8"}]
    assert [lookahead(plan) for plan in answer.plans] == [0, PRICE_OF_EIGHT]
    assert (answer.waiting_considered, answer.waiting_found) == (1, 1)


async def test_a_guest_is_never_refused_for_one_who_waits(bistro: World) -> None:
    await bistro.seated("A3", party=3)
    await bistro.booking(party=8, start=evening(20))
    six = await bistro.booking(party=6)
    answer = await planned(bistro, six)
    assert answer.outcome == PlanOutcome.PLAN_OUTCOME_FEASIBLE
    assert [tables(bistro, plan) for plan in answer.plans] == [{"E8"}]
    assert lookahead(answer.plans[0]) == PRICE_OF_EIGHT
    await bistro.assign(six, "E8")


async def test_only_bookings_that_wait_now_are_minded(bistro: World) -> None:
    six = await bistro.booking(party=6)
    assert (await planned(bistro, six)).waiting_found == 0
    elsewhen = [await bistro.booking(party=8, start=evening(hour)) for hour in (17, 21)]
    assert len(elsewhen) == 2
    cancelled = await bistro.booking(party=8, start=evening(20))
    await bistro.transition(cancelled, BookingAction.BOOKING_ACTION_CANCEL)
    seated = await bistro.seated("E8", party=8, start=evening(22))
    assert (await planned(bistro, six)).waiting_found == 0
    # Brought forward, the seated party needs its table an hour after the six sit down, and not the one it has.
    await bistro.booking(party=8, start=evening(20), booking_id=seated.booking_id)
    queued = await bistro.booking(party=2, start=evening(18))
    await bistro.transition(queued, BookingAction.BOOKING_ACTION_QUEUE)
    answer = await planned(bistro, six)
    assert answer.waiting_found == 2
    assert tables(bistro, answer.plans[0]) == {"A3", "B3"}


async def test_a_party_that_has_not_booked_is_planned_with_the_same_foresight(bistro: World) -> None:
    await bistro.booking(party=8, start=evening(20))
    wish = bistro.booking_request(party=6).party
    answer = await bistro.client.plan_tables(
        PlanTablesRequest(restaurant_id=bistro.restaurant_id, party=wish)
    )
    assert tables(bistro, answer.plans[0]) == {"A3", "B3"}


async def test_a_booking_whose_hold_waits_to_be_confirmed_loses_nothing(bistro: World) -> None:
    eight = await bistro.booking(party=8, start=evening(21))
    await bistro.hold(eight, "E8")
    early = await bistro.booking(party=6, start=evening(19, 30))
    answer = await planned(bistro, early)
    assert [tables(bistro, plan) for plan in answer.plans] == [{"A3", "B3"}]
    assert (answer.waiting_found, lookahead(answer.plans[0])) == (1, 0)


async def test_what_is_taken_after_closing_counts_for_a_booking_that_stays_so_long(bistro: World) -> None:
    six = await bistro.booking(party=6, start=evening(21))
    await bistro.booking(party=8, start=evening(22))
    assert tables(bistro, (await planned(bistro, six)).plans[0]) == {"A3", "B3"}
    await bistro.block("E8", start=evening(23), end=evening(23, 30))
    answer = await planned(bistro, six)
    assert tables(bistro, answer.plans[0]) == {"E8"}
    assert lookahead(answer.plans[0]) == 0


async def test_waiting_bookings_that_are_over_are_no_longer_waited_for(
    client: AsyncMaitredClient, server: Served
) -> None:
    place: House = await house(client, policy=always_open_policy())
    now = datetime.now(UTC).replace(microsecond=0)
    over = await place.party(2, start=now - timedelta(hours=2), stay=timedelta(hours=3))
    under_way = await place.party(2, start=now - timedelta(hours=2), stay=timedelta(hours=3))
    asking = await place.party(2, start=now - timedelta(minutes=90))
    assert (await place.plan(asking)).waiting_found == 2
    # Moved into the past behind the service's back, as the hours will do it.
    await rows(
        server.database_url,
        "UPDATE bookings SET dining_end = now(), window_end = now() WHERE booking_id = $1",
        UUID(over.booking_id),
    )
    forget_diaries()
    assert (await place.plan(asking)).waiting_found == 1
    assert (await place.read(under_way.booking_id)).needs_tables


async def test_how_many_of_those_who_wait_had_a_say_is_told(bistro: World) -> None:
    for number in range(WAITING_BOOKINGS_MAX):
        await bistro.booking(party=2, start=evening(20, number))
    six = await bistro.booking(party=6)
    answer = await planned(bistro, six)
    assert (answer.waiting_considered, answer.waiting_found) == (WAITING_BOOKINGS_MAX, WAITING_BOOKINGS_MAX)
    assert tables(bistro, answer.plans[0]) == {"E8"}
    # The party of eight starts nearest, so it is among those that are considered.
    await bistro.booking(party=8, start=evening(19, 30))
    answer = await planned(bistro, six)
    assert (answer.waiting_considered, answer.waiting_found) == (
        WAITING_BOOKINGS_MAX,
        WAITING_BOOKINGS_MAX + 1,
    )
    assert tables(bistro, answer.plans[0]) == {"A3", "B3"}
