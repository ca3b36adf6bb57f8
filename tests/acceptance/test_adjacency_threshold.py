"""P3: Small parties may have tables that are not adjacent: the same rule wherever tables are chosen."""

from uuid import uuid4

import pytest

from maitred_client import (
    AsyncMaitredClient,
    CombinationCrossesZonesError,
    CombinationNotAdjacentError,
    CombinationTableNotMovableError,
    InvalidArgumentFieldError,
    PolicyDriftError,
)
from maitred_client.messages import (
    Availability,
    AvailabilityQuestion,
    CheckStatus,
    Floor,
    PlanOutcome,
    SearchAvailabilityRequest,
    ServicePolicy,
    Table,
)
from server.domain.limits import COMBINATIONS_MAX
from tests.builders.overrides import words
from tests.builders.world import evening, stamp
from tests.builders.world_extras import House, house, house_policy, refused

pytestmark = pytest.mark.shared_server

LARGE_PARTY = 7


def from_size(size: int) -> ServicePolicy:
    policy = house_policy()
    policy.combinations.adjacency_party_size_min = size
    return policy


@pytest.fixture
async def place(client: AsyncMaitredClient) -> House:
    """Of what seats six or seven, only W1 and W3 are free, which are not adjacent."""
    made = await house(client, policy=from_size(LARGE_PARTY))
    await made.block("W2", "F6", "L8", "P1", "P2")
    await made.block("W4")
    return made


async def search(place: House, size: int) -> Availability:
    question = AvailabilityQuestion(party_size=size, start=stamp(evening()))
    request = SearchAvailabilityRequest(restaurant_id=place.restaurant_id, questions=[question])
    return (await place.client.search_availability(request)).answers[0]


async def test_below_the_size_every_step_accepts_tables_that_are_apart(place: House) -> None:
    booking = await place.party(LARGE_PARTY - 1)
    wanted = sorted(place.ids(["W1", "W3"]))
    answer = await place.plan(booking)
    assert [list(plan.table_ids) for plan in answer.plans] == [wanted]
    assert not answer.plans[0].adjacency
    assert list((await search(place, LARGE_PARTY - 1)).table_ids) == wanted
    assert (await place.validate(booking, "W1", "W3")).valid
    assert (await place.explain(booking, "W1", "W3")).possible
    assigned = await place.confirm(await place.hold(booking, "W1", "W3"))
    assert assigned.merge_group_id
    assert await place.violations() == 0


async def test_from_the_size_on_every_step_asks_for_adjacency(place: House) -> None:
    booking = await place.party(LARGE_PARTY)
    answer = await place.plan(booking)
    assert (answer.outcome, list(answer.plans)) == (PlanOutcome.PLAN_OUTCOME_FULLY_TAKEN, [])
    assert not (await search(place, LARGE_PARTY)).available
    assert not (await place.explain(booking, "W1", "W3")).possible
    checks = (await place.validate(booking, "W1", "W3")).checks
    (broken,) = [check for check in checks if check.status == CheckStatus.CHECK_STATUS_ERROR]
    assert words([broken.reason]) == ["COMBINATION_NOT_ADJACENT"]
    assert broken.metadata["adjacency_party_size_min"] == str(LARGE_PARTY)
    assert f"parties from {LARGE_PARTY} on" in broken.message
    error = await refused(place.hold(booking, "W1", "W3"), CombinationNotAdjacentError)
    assert error.metadata["adjacency_party_size_min"] == str(LARGE_PARTY)
    await refused(place.assign(booking, "W1", "W3"), CombinationNotAdjacentError)


async def test_a_check_says_that_adjacency_is_not_asked_for(place: House) -> None:
    checks = (await place.validate(await place.party(6), "W1", "W3")).checks
    (adjacent,) = [check for check in checks if words([check.reason]) == ["COMBINATION_NOT_ADJACENT"]]
    assert adjacent.status == CheckStatus.CHECK_STATUS_OK
    assert adjacent.message == f"Parties below {LARGE_PARTY} may have tables that are not adjacent."


async def test_a_hold_does_not_outlive_the_rule_it_was_made_under(place: House) -> None:
    held = await place.hold(await place.party(6), "W1", "W3")
    await place.put_policy(from_size(6))
    error = await refused(place.confirm(held), PolicyDriftError)
    assert error.metadata["reasons"] == "COMBINATION_NOT_ADJACENT"
    await place.put_policy(from_size(LARGE_PARTY))
    assert (await place.confirm(held)).merge_group_id


async def test_zones_and_fixed_tables_are_kept_apart_whatever_the_size(client: AsyncMaitredClient) -> None:
    made = await house(client, policy=from_size(100))
    booking = await made.party(8)
    await refused(made.hold(booking, "W1", "P1"), CombinationCrossesZonesError)
    await refused(made.hold(booking, "W1", "F6"), CombinationTableNotMovableError)


async def test_a_policy_keeps_the_size_and_its_absence(place: House) -> None:
    assert (await place.policy()).combinations.adjacency_party_size_min == LARGE_PARTY
    stored = await place.put_policy(house_policy())
    assert not stored.combinations.HasField("adjacency_party_size_min")


@pytest.mark.parametrize("size", [0, -1, 501])
async def test_a_size_that_no_party_has_is_refused(place: House, size: int) -> None:
    error = await refused(place.put_policy(from_size(size)), InvalidArgumentFieldError)
    assert error.metadata["field"] == "policy.combinations.adjacency_party_size_min"


def crowded(place: House, tables: int) -> Floor:
    """One zone with so many movable tables, none of which touches another."""
    floor = Floor()
    floor.zones.add(zone_id=place.zones["Hall"], name="Hall")
    floor.tables.extend(
        Table(table_id=str(uuid4()), zone_id=place.zones["Hall"], name=f"C{n}", capacity=4, movable=True)
        for n in range(tables)
    )
    return floor


async def test_a_policy_under_which_a_zone_has_too_many_merges_is_refused(client: AsyncMaitredClient) -> None:
    made = await house(client)
    # 53 tables have 1,378 pairs and 23,426 merges of three; 54 have more than the limit.
    await made.put_floor(crowded(made, 54))
    error = await refused(made.put_policy(from_size(2)), InvalidArgumentFieldError)
    assert error.metadata == {
        "field": "policy.combinations.adjacency_party_size_min",
        "limit": str(COMBINATIONS_MAX),
    }
    await made.put_policy(from_size(1))
    await made.put_floor(crowded(made, 53))
    await made.put_policy(from_size(2))


async def test_a_floor_with_too_many_merges_for_the_policy_is_refused(client: AsyncMaitredClient) -> None:
    made = await house(client, policy=from_size(2))
    error = await refused(made.put_floor(crowded(made, 54)), InvalidArgumentFieldError)
    assert error.metadata == {"field": "floor.tables", "limit": str(COMBINATIONS_MAX)}
