"""P4: no merge crosses zones, and a fixed table is only given alone: the same at planning and at every commit."""

from collections.abc import Awaitable, Callable

import pytest

from maitred_client import (
    AsyncMaitredClient,
    CombinationCrossesZonesError,
    CombinationTableNotMovableError,
    MaitredError,
    PolicyDriftError,
)
from maitred_client.messages import (
    AvailabilityQuestion,
    Booking,
    CheckStatus,
    ExplainTableRequest,
    Floor,
    SearchAvailabilityRequest,
    ServicePolicy,
)
from tests.builders.overrides import words
from tests.builders.world import evening, stamp
from tests.builders.world_extras import HOUSE_TABLES, House, house, house_policy, refused

pytestmark = pytest.mark.shared_server

ZONES = {seats.name: seats.zone for seats in HOUSE_TABLES}
FIXED = {seats.name for seats in HOUSE_TABLES if not seats.movable}
CROSSES_ZONES, NOT_MOVABLE = "COMBINATION_CROSSES_ZONES", "COMBINATION_TABLE_NOT_MOVABLE"
KINDS: dict[str, type[MaitredError]] = {
    CROSSES_ZONES: CombinationCrossesZonesError,
    NOT_MOVABLE: CombinationTableNotMovableError,
}


def free_merging() -> ServicePolicy:
    policy = house_policy()
    policy.combinations.adjacency_party_size_min = 100
    policy.slack_max = 100
    return policy


@pytest.fixture
async def place(client: AsyncMaitredClient) -> House:
    """Nobody asks for adjacency, and the fixed tables touch their neighbours: only zone and movability are left."""
    made = await house(client, policy=free_merging())
    await made.change_floor(
        lambda floor: floor.adjacency.extend([made.edge("W4", "F6"), made.edge("F6", "L8")])
    )
    return made


async def test_no_plan_and_no_search_merges_over_zones_or_with_a_fixed_table(place: House) -> None:
    await require_legal_plans(place)
    await place.change_policy(lambda policy: policy.combinations.ClearField("adjacency_party_size_min"))
    await require_legal_plans(place)
    await place.put_policy(free_merging())
    await place.block("W2", "W3", "P2")
    # Free are W1, W4, F6, L8 and P1: without the two rules they would seat twelve in many ways.
    questions = [AvailabilityQuestion(party_size=size, start=stamp(evening())) for size in (8, 9, 12)]
    request = SearchAvailabilityRequest(restaurant_id=place.restaurant_id, questions=questions)
    answers = (await place.client.search_availability(request)).answers
    assert [answer.available for answer in answers] == [True, False, False]
    assert [(await place.plan(await place.party(size))).plans_found for size in (9, 12)] == [0, 0]


async def require_legal_plans(place: House) -> None:
    """Of all plans for small and large parties; each fixed table is in one of them, alone."""
    fixed_alone = set()
    for size in (2, 6, 8, 10, 12):
        answer = await place.plan(await place.party(size))
        assert answer.plans_found == len(answer.plans)
        for plan in answer.plans:
            assert len({ZONES[name] for name in plan.table_names}) == 1
            assert not (plan.merged and FIXED.intersection(plan.table_names))
            fixed_alone |= FIXED.intersection(plan.table_names)
    assert fixed_alone == FIXED


async def test_no_call_gives_tables_that_may_not_be_merged(place: House) -> None:
    booking = await place.party(8)
    held = await place.hold(booking, "W2", "W3")
    seated = await place.seated("P1", "P2", party=8, start=evening(14))
    for names, reason in (
        (("W1", "P1"), CROSSES_ZONES),
        (("W4", "F6"), NOT_MOVABLE),
        (("F6", "L8"), NOT_MOVABLE),
    ):
        checks = (await place.validate(booking, *names)).checks
        broken = words(each.reason for each in checks if each.status == CheckStatus.CHECK_STATUS_ERROR)
        assert broken == [reason]
        assert not await possible(place, booking, *names)
        await refused(place.hold(booking, *names), KINDS[reason])
        await refused(place.replace(held, *names), KINDS[reason])
        await refused(place.assign(booking, *names), KINDS[reason])
        await refused(place.reassign(seated, *names), KINDS[reason])
    await place.confirm(held)


async def possible(place: House, booking: Booking, *names: str) -> bool:
    request = ExplainTableRequest(
        restaurant_id=place.restaurant_id, booking_id=booking.booking_id, table_ids=place.ids(names)
    )
    return (await place.client.explain_table(request)).possible


async def _nailed_down(place: House) -> object:
    return await place.update("W2", movable=False)


async def _carried_out(place: House) -> object:
    def outside(floor: Floor) -> None:
        for edge in (("W1", "W2"), ("W2", "W3")):
            place.without_edge(floor, *edge)
        (moved,) = (table for table in floor.tables if table.name == "W2")
        moved.zone_id = place.zones["Terrace"]

    return await place.change_floor(outside)


@pytest.mark.parametrize(
    ("change", "reason"),
    [(_nailed_down, NOT_MOVABLE), (_carried_out, CROSSES_ZONES)],
)
async def test_a_held_merge_is_not_confirmed_once_it_is_against_the_rule(
    change: Callable[[House], Awaitable[object]], reason: str, place: House
) -> None:
    held = await place.hold(await place.party(8), "W1", "W2")
    alone = await place.hold(await place.party(4), "F6")
    await change(place)
    assert (await refused(place.confirm(held), PolicyDriftError)).metadata["reasons"] == reason
    await place.confirm(alone)
