"""A9, A10: Between looking and holding, and between holding and confirming: what matters is noticed, and only that."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from maitred_client import (
    AsyncMaitredClient,
    OutsideServiceHoursError,
    PolicyDriftError,
    StaleContextError,
    TableNotFoundError,
    instant,
)
from maitred_client.messages import (
    AdjacencyMode,
    Booking,
    BookingStatus,
    Floor,
    HoldState,
    RelaxationPolicy,
    ServicePolicy,
    Table,
    TableState,
)
from tests.builders.world import evening
from tests.builders.world_extras import House, house, refused

pytestmark = [pytest.mark.shared_server, pytest.mark.each_way_of_writing]

Change = Callable[[House, Booking], Awaitable[object]]


def policy_change(edit: Callable[[ServicePolicy], object]) -> Change:
    async def change(place: House, booking: Booking) -> object:
        return await place.change_policy(edit)

    return change


def floor_change(edit: Callable[[House, Floor], object]) -> Change:
    async def change(place: House, booking: Booking) -> object:
        return await place.change_floor(lambda floor: edit(place, floor))

    return change


def table_change(name: str, **values: object) -> Change:
    async def change(place: House, booking: Booking) -> object:
        return await place.update(name, **values)  # type: ignore[arg-type]

    return change


def party_change(size: int = 6, hour: int = 19, **wanted: object) -> Change:
    async def change(place: House, booking: Booking) -> object:
        return await place.party(
            size,
            booking_id=booking.booking_id,
            start=evening(hour),
            **wanted,  # type: ignore[arg-type]
        )

    return change


def taken(*names: str, hour: int = 19) -> Change:
    async def change(place: House, booking: Booking) -> object:
        return await place.hold(await place.party(2 * len(names), start=evening(hour)), *names)

    return change


def assigned(name: str, hour: int) -> Change:
    async def change(place: House, booking: Booking) -> object:
        return await place.seated(name, start=evening(hour))

    return change


def blocked(name: str, start: int, end: int) -> Change:
    async def change(place: House, booking: Booking) -> object:
        return await place.block(name, start=evening(start), end=evening(end))

    return change


async def _released_again(place: House, booking: Booking) -> object:
    return await place.release(await place.hold(await place.party(), "W1"))


async def _own_hold(place: House, booking: Booking) -> object:
    return await place.hold(booking, "W1", "W2")


async def _policy_and_back(place: House, booking: Booking) -> object:
    before = await place.policy()
    await place.change_policy(_lower_slack)
    before.ClearField("etag")
    return await place.put_policy(before)


async def _w2_off_and_back(place: House, booking: Booking) -> object:
    before = await place.floor()
    await floor_change(_without_w2)(place, booking)
    before.ClearField("etag")
    return await place.put_floor(before)


def _rename_period(policy: ServicePolicy) -> None:
    policy.periods[0].name = "all day"


def _lower_slack(policy: ServicePolicy) -> None:
    policy.slack_max = 1


def _no_merging(policy: ServicePolicy) -> None:
    policy.combinations.enabled = False


def _close_at_noon(policy: ServicePolicy) -> None:
    policy.periods[0].opens, policy.periods[0].closes = "10:00", "12:00"


def _pairwise(policy: ServicePolicy) -> None:
    policy.combinations.adjacency_mode = AdjacencyMode.ADJACENCY_MODE_PAIRWISE


def _longer_turns(policy: ServicePolicy) -> None:
    policy.periods[0].turn_times[0].duration.seconds += 900


def _larger_merges(policy: ServicePolicy) -> None:
    policy.combinations.tables_max = 4


def _other_relaxations(policy: ServicePolicy) -> None:
    policy.relaxations.CopyFrom(RelaxationPolicy())


def _other_zone(place: House, floor: Floor) -> None:
    """W1 is carried out to the terrace."""
    place.without_edge(floor, "W1", "W2")
    (moved,) = (table for table in floor.tables if table.name == "W1")
    moved.zone_id = place.zones["Terrace"]


def _cut_w1_w2(place: House, floor: Floor) -> None:
    place.without_edge(floor, "W1", "W2")


def _around_w3(place: House, floor: Floor) -> None:
    """W1 and W2 touch W3, and no longer one another."""
    place.without_edge(floor, "W1", "W2")
    floor.adjacency.append(place.edge("W1", "W3"))


def _cut_w3_w4(place: House, floor: Floor) -> None:
    place.without_edge(floor, "W3", "W4")


def _without_w2(place: House, floor: Floor) -> None:
    place.without_edge(floor, "W1", "W2")
    place.without_edge(floor, "W2", "W3")
    kept = [table for table in floor.tables if table.name != "W2"]
    del floor.tables[:]
    floor.tables.extend(kept)


def _new_neighbour(place: House, floor: Floor) -> None:
    """Another table that touches a chosen one is not among the chosen."""
    floor.adjacency.append(place.edge("W1", "W4"))


def _another_table(place: House, floor: Floor) -> None:
    floor.tables.append(
        Table(table_id="00000000-0000-4000-8000-00000000aaaa", zone_id=place.zone_id, name="N", capacity=2)
    )


def _rename_zone(place: House, floor: Floor) -> None:
    floor.zones[0].name = "Parlour"


OUT = TableState.TABLE_STATE_OUT_OF_SERVICE

# A party of six looks at W1 and W2 for 19:00 to 21:00.
MATTERS: dict[str, Change] = {
    "capacity of a chosen table": table_change("W1", capacity=5),
    "attributes of a chosen table": table_change("W2", attributes=["quiet"]),
    "a chosen table is fixed": table_change("W1", movable=False),
    "a chosen table is out of service": table_change("W2", state=OUT),
    "min_party of a chosen table": table_change("W1", min_party=3),
    "max_party of a chosen table": table_change("W1", max_party=3),
    "the zone of a chosen table": floor_change(_other_zone),
    "the chosen tables no longer touch": floor_change(_cut_w1_w2),
    "the chosen tables touch through another": floor_change(_around_w3),
    "the policy": policy_change(_lower_slack),
    "the policy, changed and put back": _policy_and_back,
    "the policy in a small thing": policy_change(_rename_period),
    "the turn times": policy_change(_longer_turns),
    "the merging that the policy allows": policy_change(_larger_merges),
    "what the policy relaxes": policy_change(_other_relaxations),
    "the party's size": party_change(size=7),
    "the party's start": party_change(hour=20),
    "the party's stay": party_change(stay=timedelta(hours=1)),
    "the party's zone": party_change(zone="Hall"),
    "the party's required attributes": party_change(required=["window"]),
    "a hold on a chosen table in the window": taken("W2"),
    "a hold that overlaps the window by an hour": taken("W1", hour=18),
    "an assignment of a chosen table in the window": assigned("W2", 20),
    "a block within the window": blocked("W1", 20, 21),
}
DOES_NOT_MATTER: dict[str, Change] = {
    "nothing": lambda place, booking: place.policy(),
    "another table's capacity": table_change("W3", capacity=5),
    "another table is out of service": table_change("F6", state=OUT),
    "adjacency of others": floor_change(_cut_w3_w4),
    "adjacency to a table that was not chosen": floor_change(_new_neighbour),
    "a new table": floor_change(_another_table),
    "a chosen table was gone for a while": _w2_off_and_back,
    "the name of a zone": floor_change(_rename_zone),
    "the same policy again": policy_change(lambda policy: None),
    "a hold on another table": taken("W3"),
    "a hold on a chosen table before the window": taken("W1", hour=17),
    "a hold on a chosen table after the window": taken("W1", hour=21),
    "an assignment of a chosen table after the window": assigned("W1", 21),
    "a block that ends when the window starts": blocked("W2", 12, 19),
    "a hold that is gone again": _released_again,
    "the booking's own hold": _own_hold,
    "the party's preferences": party_change(preferred=["window"]),
    "the booking's reference": party_change(reference="R-7"),
}


async def look(place: House) -> tuple[Booking, str]:
    """A booking, and the context version that planning and validation agree on."""
    booking = await place.party(6)
    validated = await place.validate(booking, "W1", "W2")
    plans = (await place.plan(booking)).plans
    (same,) = (plan for plan in plans if plan.table_ids == sorted(place.ids(["W1", "W2"])))
    assert validated.context_version == same.context_version
    return booking, validated.context_version


@pytest.mark.parametrize("change", MATTERS)
async def test_a_change_that_matters_makes_the_context_stale(change: str, place: House) -> None:
    booking, context = await look(place)
    await MATTERS[change](place, booking)
    for call in ("hold", "assign"):
        error = await refused(use(place, call, booking, context), StaleContextError)
        now = (await place.validate(booking, "W1", "W2")).context_version
        assert error.metadata == {"expected_context_version": context, "current_context_version": now}
        assert now != context


@pytest.mark.parametrize("change", DOES_NOT_MATTER)
async def test_a_change_that_does_not_matter_leaves_the_context_fresh(change: str, place: House) -> None:
    booking, context = await look(place)
    await DOES_NOT_MATTER[change](place, booking)
    await use(place, "hold", booking, context)
    await use(place, "assign", booking, context)


async def test_the_context_is_fresh_again_when_everything_is_as_it_was(place: House) -> None:
    booking, context = await look(place)
    await place.update("W1", capacity=5)
    await place.update("W1", capacity=4)
    await use(place, "hold", booking, context)


def use(place: House, call: str, booking: Booking, context: str) -> Awaitable[object]:
    if call == "hold":
        hold = place.hold_request(booking.booking_id, ["W1", "W2"])
        hold.context_version = context
        return place.client.hold_tables(hold)
    assign = place.assign_request(booking.booking_id, ["W1", "W2"])
    assign.context_version = context
    return place.client.assign_tables(assign)


# Between hold and confirm

DRIFTS: dict[str, tuple[Change, str]] = {
    "the tables seat too few": (table_change("W1", capacity=1), "CAPACITY_INSUFFICIENT"),
    "too many seats stay empty": (policy_change(_lower_slack), "SLACK_BUDGET_EXCEEDED"),
    "merging is off": (policy_change(_no_merging), "COMBINATION_DISABLED"),
    "the tables are apart": (floor_change(_cut_w1_w2), "COMBINATION_NOT_ADJACENT"),
    "a table is fixed": (table_change("W1", movable=False), "COMBINATION_TABLE_NOT_MOVABLE"),
    "a table is out of service": (table_change("W2", state=OUT), "TABLE_OUT_OF_SERVICE"),
    "a table is kept for more people": (
        table_change("W2", capacity=7, min_party=7),
        "CAPACITY_BELOW_MIN_PARTY",
    ),
}
NO_DRIFTS: dict[str, Change] = {
    "nothing": lambda place, booking: place.policy(),
    "another table is out of service": table_change("F6", state=OUT),
    "the tables got larger": table_change("W1", capacity=5),
    "a mode that two touching tables pass": policy_change(_pairwise),
    "hours that are shorter now": policy_change(_close_at_noon),
    "adjacency of others": floor_change(_cut_w3_w4),
    "somebody takes the table after the window": taken("W1", hour=21),
}


@pytest.mark.parametrize("drift", DRIFTS)
async def test_a_held_set_that_no_longer_passes_is_policy_drift(drift: str, place: House) -> None:
    change, reason = DRIFTS[drift]
    booking = await place.party(6)
    hold = await place.hold(booking, "W1", "W2")
    await change(place, booking)
    error = await refused(place.confirm(hold), PolicyDriftError)
    policy, floor = await place.policy(), await place.floor()
    assert reason in error.metadata["reasons"].split(",")
    assert [check.reason for check in error.failed_checks] == error.metadata["reasons"].split(",")
    assert error.metadata["policy_version"] == str(policy.policy_version)
    assert error.metadata["inventory_version"] == str(floor.inventory_version)
    assert (await place.hold_now(hold)).state == HoldState.HOLD_STATE_ACTIVE
    assert (await place.found(booking)).booking.status == BookingStatus.BOOKING_STATUS_PENDING


async def _w2_leaves_the_hall(place: House, booking: Booking) -> object:
    def outside(floor: Floor) -> None:
        _cut_w1_w2(place, floor)
        place.without_edge(floor, "W2", "W3")
        (moved,) = (table for table in floor.tables if table.name == "W2")
        moved.zone_id = place.zones["Terrace"]

    return await place.change_floor(outside)


def _merges_of_two(policy: ServicePolicy) -> None:
    policy.combinations.tables_max = 2


# What the party asked for, what it holds, and what then goes wrong.
OTHER_DRIFTS: dict[str, tuple[dict[str, Any], tuple[str, ...], Change, str]] = {
    "merges are smaller now": (
        {"size": 10}, ("W1", "W2", "W3"), policy_change(_merges_of_two), "COMBINATION_TOO_LARGE",
    ),
    "a required attribute is gone": (
        {"size": 4, "required": ["window"]}, ("W1",), table_change("W1", attributes=["quiet"]),
        "REQUIRED_ATTRIBUTE_UNMET",
    ),
    "the table left the zone that the party asked for": (
        {"size": 4, "zone": "Hall"}, ("W2",), _w2_leaves_the_hall, "ZONE_NOT_REQUESTED",
    ),
    "a table of a merge left its zone": (
        {"size": 6}, ("W1", "W2"), _w2_leaves_the_hall, "COMBINATION_CROSSES_ZONES",
    ),
    "a table alone takes fewer people": (
        {"size": 4}, ("W1",), table_change("W1", max_party=3), "CAPACITY_INSUFFICIENT",
    ),
}  # fmt: skip


async def test_whatever_the_party_asked_for_is_still_asked_for_at_confirm(client: AsyncMaitredClient) -> None:
    for drift, (wanted, names, change, reason) in OTHER_DRIFTS.items():
        place = await house(client)
        booking = await place.party(**wanted)
        hold = await place.hold(booking, *names)
        await change(place, booking)
        error = await refused(place.confirm(hold), PolicyDriftError)
        assert reason in error.metadata["reasons"].split(","), drift


@pytest.mark.parametrize("change", NO_DRIFTS)
async def test_a_change_that_the_held_set_survives_is_no_drift(change: str, place: House) -> None:
    booking = await place.party(6)
    hold = await place.hold(booking, "W1", "W2")
    await NO_DRIFTS[change](place, booking)
    assignment = await place.confirm(hold)
    assert instant(assignment.window_start) == evening(19)


async def test_a_new_booking_follows_the_new_hours(place: House) -> None:
    await place.change_policy(_close_at_noon)
    await refused(place.party(), OutsideServiceHoursError)


async def test_a_table_that_left_the_floor_is_not_found(place: House) -> None:
    booking, context = await look(place)
    await floor_change(_without_w2)(place, booking)
    await refused(use(place, "hold", booking, context), TableNotFoundError)
