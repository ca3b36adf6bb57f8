"""P4: no merge crosses zones, and a fixed table is only given alone: the same at planning and at every commit."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest

from maitred_client import (
    AsyncMaitredClient,
    CombinationCrossesZonesError,
    CombinationTableNotMovableError,
    InvalidArgumentFieldError,
    MaitredError,
    PolicyDriftError,
)
from maitred_client.messages import (
    AvailabilityQuestion,
    CheckStatus,
    ExplainTableRequest,
    Floor,
    PartyRequest,
    PlanTablesRequest,
    PutBookingRequest,
    SearchAvailabilityRequest,
    ServicePolicy,
)
from tests.builders.overrides import words
from tests.builders.world import evening, stamp
from tests.builders.world_extras import HOUSE_TABLES, UNKNOWN_ID, House, house, house_policy, refused

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
        assert not (await place.explain(booking, *names)).possible
        await refused(place.hold(booking, *names), KINDS[reason])
        await refused(place.replace(held, *names), KINDS[reason])
        await refused(place.assign(booking, *names), KINDS[reason])
        await refused(place.reassign(seated, *names), KINDS[reason])
    await place.confirm(held)


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


async def test_a_zone_that_the_restaurant_does_not_have_is_refused_by_its_name(place: House) -> None:
    where, client = place.restaurant_id, place.client
    for field, wish in (
        ("zone_id", {"zone_id": UNKNOWN_ID}),
        ("preferred_zone_ids", {"preferred_zone_ids": [place.zones["Hall"], UNKNOWN_ID]}),
    ):
        party = PartyRequest(party_size=2, start=stamp(evening()), **wish)
        explained = ExplainTableRequest(restaurant_id=where, party=party, table_ids=place.ids(["W1"]))
        booked = PutBookingRequest(restaurant_id=where, booking_id=str(uuid4()), party=party)
        for call in (
            client.plan_tables(PlanTablesRequest(restaurant_id=where, party=party)),
            client.explain_table(explained),
            client.put_booking(booked),
        ):
            error = await refused(call, InvalidArgumentFieldError)
            assert (error.metadata["field"], UNKNOWN_ID in str(error)) == (f"party.{field}", True)


async def test_a_preferred_zone_that_is_gone_keeps_its_booking_from_no_change(place: House) -> None:
    booking = await place.party(preferred_zones=["Terrace"])
    await place.change_floor(lambda floor: take_away(floor, place.zones["Terrace"]))
    question = PlanTablesRequest(
        restaurant_id=place.restaurant_id, booking_id=booking.booking_id, alternatives_max=1
    )
    (other,) = (await place.client.plan_tables(question)).alternatives
    request = PutBookingRequest(
        restaurant_id=place.restaurant_id, booking_id=booking.booking_id, party=other.party
    )
    changed = (await place.client.put_booking(request)).booking
    assert changed.party == other.party
    assert list(changed.party.preferred_zone_ids) == [place.zones["Terrace"]]
    request.party.preferred_zone_ids.append(UNKNOWN_ID)
    await refused(place.client.put_booking(request), InvalidArgumentFieldError)


async def test_a_booking_whose_zone_is_gone_may_be_sent_again_but_not_want_another_time_there(
    place: House,
) -> None:
    booking = await place.party(zone="Terrace")
    await place.change_floor(lambda floor: take_away(floor, place.zones["Terrace"]))
    request = PutBookingRequest(
        restaurant_id=place.restaurant_id, booking_id=booking.booking_id, party=booking.party
    )
    assert (await place.client.put_booking(request)).booking == booking
    request.reference = "R-2"
    changed = (await place.client.put_booking(request)).booking
    assert (changed.reference, changed.assignment_epoch) == ("R-2", booking.assignment_epoch)
    request.party.start.CopyFrom(stamp(evening(20)))
    error = await refused(place.client.put_booking(request), InvalidArgumentFieldError)
    assert error.metadata["field"] == "party.zone_id"


def take_away(floor: Floor, zone_id: str) -> None:
    """A zone with all that stands in it."""
    zones = [zone for zone in floor.zones if zone.zone_id != zone_id]
    tables = [table for table in floor.tables if table.zone_id != zone_id]
    left = {table.table_id for table in tables}
    edges = [edge for edge in floor.adjacency if {edge.table_a, edge.table_b} <= left]
    del floor.zones[:], floor.tables[:], floor.adjacency[:]
    floor.zones.extend(zones)
    floor.tables.extend(tables)
    floor.adjacency.extend(edges)
