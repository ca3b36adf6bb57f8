"""Nobody gets tables for a window that is over, whatever was free in it."""

from datetime import timedelta
from typing import Any

import pytest

from maitred_client import WindowInPastError
from maitred_client.messages import (
    AutoAssignBatchRequest,
    BookingAction,
    DispatchAutoAssignRequest,
    ExplainTableRequest,
    HoldState,
    PartyRequest,
    PlanTablesRequest,
)
from tests.builders.world import evening, stamp
from tests.builders.world_extras import House, refused
from tests.conftest import Served
from tests.support.database import turn_back

pytestmark = pytest.mark.shared_server

LONG_AGO = timedelta(days=60)


async def test_a_booking_whose_window_is_over_is_given_nothing(place: House, server: Served) -> None:
    waiting = await place.party(2)
    await turn_back(server.database_url, LONG_AGO)
    for call in (
        place.hold(waiting, "W1"),
        place.assign(waiting, "W1"),
        place.auto_assign(waiting),
        place.party(2, start=evening() - LONG_AGO),
        place.block("W1", start=evening() - LONG_AGO, end=evening(20) - LONG_AGO),
        place.client.dispatch_auto_assign(
            DispatchAutoAssignRequest(restaurant_id=waiting.restaurant_id, booking_id=waiting.booking_id)
        ),
    ):
        await refused(call, WindowInPastError)
    assert (await place.read(waiting.booking_id)).needs_tables
    day = AutoAssignBatchRequest(
        restaurant_id=place.restaurant_id, service_date=(evening() - LONG_AGO).date().isoformat()
    )
    assert [each.total async for each in place.client.auto_assign_batch(day)] == [0, 0]


async def test_nothing_is_planned_for_a_window_that_is_over(place: House, server: Served) -> None:
    waiting = await place.party(2)
    await turn_back(server.database_url, LONG_AGO)
    tables, party = place.ids(["W1"]), PartyRequest(party_size=2, start=stamp(evening() - LONG_AGO))
    stored, hypothetical = {"booking_id": waiting.booking_id}, {"party": party}
    for subject in (stored, hypothetical):
        whom: dict[str, Any] = {"restaurant_id": place.restaurant_id, **subject}
        for call in (
            place.client.plan_tables(PlanTablesRequest(**whom)),
            place.client.explain_table(ExplainTableRequest(**whom, table_ids=tables)),
        ):
            await refused(call, WindowInPastError)
    await refused(place.validate(waiting, "W1"), WindowInPastError)


async def test_a_hold_whose_window_is_over_is_neither_confirmed_nor_replaced(
    place: House, server: Served
) -> None:
    held = await place.hold(await place.party(2), "W1", ttl_s=900)
    await turn_back(server.database_url, LONG_AGO)
    await refused(place.confirm(held), WindowInPastError)
    await refused(place.replace(held, "W2"), WindowInPastError)
    assert (await place.hold_now(held)).state == HoldState.HOLD_STATE_ACTIVE


async def test_a_party_that_did_not_come_is_not_expected_again_after_its_window(
    place: House, server: Served
) -> None:
    absent = await place.transition(await place.seated("W1"), BookingAction.BOOKING_ACTION_NO_SHOW)
    await turn_back(server.database_url, LONG_AGO)
    await refused(place.transition(absent, BookingAction.BOOKING_ACTION_UNDO_NO_SHOW), WindowInPastError)
