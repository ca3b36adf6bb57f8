"""Reading requests: what is accepted, and what each bad field is called."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from maitred.v1 import (
    assignment_service_pb2,
    booking_pb2,
    booking_service_pb2,
    inventory_pb2,
    inventory_service_pb2,
    planner_service_pb2,
)
from server.domain.limits import VIOLATIONS_LISTED_MAX
from server.domain.policy import (
    AdjacencyMode,
    Combinations,
    ExpectedParties,
    ServicePolicy,
    Weights,
    policy_problems,
)
from server.errors import Reason, Refusal, ServiceError
from server.orchestrator.put_service_policy import PolicyPut
from server.orchestrator.subject import Subject
from server.rpc.fields import Fields
from server.rpc.messages.assignment import read_hold_tables, read_list_holds
from server.rpc.messages.booking import party_message, read_list_bookings, read_party, read_put_booking
from server.rpc.messages.floor import read_put_floor, read_update_table
from server.rpc.messages.inventory import read_block_tables, read_put_restaurant
from server.rpc.messages.planner import read_plan_tables
from server.rpc.messages.policy import policy_message, read_put_service_policy
from server.rpc.messages.watching import read_watch_floor

A, B, C = (str(UUID(int=n)) for n in (1, 2, 3))
EVENING = Timestamp(seconds=int(datetime(2026, 6, 1, 18, tzinfo=UTC).timestamp()))
LATER = Timestamp(seconds=EVENING.seconds + 7_200)


def refusal(read: Callable[[Any], object], request: object) -> Refusal:
    with pytest.raises(ServiceError) as raised:
        read(request)
    return raised.value.refusal


def fields_of(found: Refusal) -> list[str]:
    return [violation.field for violation in found.violations]


def put_booking(**party: object) -> booking_service_pb2.PutBookingRequest:
    wanted: dict[str, Any] = {"party_size": 2, "start": EVENING} | party
    return booking_service_pb2.PutBookingRequest(
        request_id=A, restaurant_id=A, booking_id=B, party=booking_pb2.PartyRequest(**wanted)
    )


def put_floor(*tables: inventory_pb2.Table, adjacency: tuple[tuple[str, str], ...] = ()) -> Any:
    edges = [inventory_pb2.Adjacency(table_a=a, table_b=b) for a, b in adjacency]
    floor = inventory_pb2.Floor(
        zones=[inventory_pb2.Zone(zone_id=A, name="Main")], tables=tables, adjacency=edges
    )
    return inventory_service_pb2.PutFloorRequest(request_id=A, restaurant_id=A, floor=floor)


def put_policy(**changes: object) -> inventory_service_pb2.PutServicePolicyRequest:
    period = inventory_pb2.ServicePeriod(
        name="dinner",
        opens="18:00",
        closes="24:00",
        turn_times=[inventory_pb2.TurnTime(party_size_max=4, duration=Duration(seconds=5_400))],
    )
    values: dict[str, Any] = {"periods": [period]} | changes
    return inventory_service_pb2.PutServicePolicyRequest(
        request_id=A, restaurant_id=A, policy=inventory_pb2.ServicePolicy(**values)
    )


def test_a_good_booking_is_read_whole() -> None:
    command = read_put_booking(
        put_booking(duration=Duration(seconds=5_400), zone_id=C, required_attributes=["window", "accessible"])
    )
    assert (command.request_id, command.booking_id) == (UUID(A), UUID(B))
    assert command.party.start == datetime(2026, 6, 1, 18, tzinfo=UTC)
    assert (command.party.duration_s, command.party.zone_id) == (5_400, UUID(C))
    assert command.party.required_attributes == ("accessible", "window")
    assert read_party(Fields(party_message(command.party))) == command.party


def test_all_bad_fields_are_named_at_once_and_the_first_one_in_the_message() -> None:
    request = put_booking(party_size=0, zone_id="kitchen", preferred_attributes=["ok", "NOT OK"])
    request.restaurant_id = ""
    found = refusal(read_put_booking, request)
    assert found.reason is Reason.INVALID_ARGUMENT_FIELD
    assert fields_of(found) == [
        "restaurant_id",
        "party.party_size",
        "party.zone_id",
        "party.preferred_attributes[1]",
    ]
    assert found.message.startswith("restaurant_id: ")
    assert "3 more" in found.message
    assert found.metadata == {"field": "restaurant_id", "limit": "UUID"}


@pytest.mark.parametrize("size", [0, -1, 501, 10_000, 2**31 - 1, -(2**31)])
def test_a_party_of_an_impossible_size_has_a_reason_of_its_own(size: int) -> None:
    found = refusal(read_put_booking, put_booking(party_size=size))
    assert (found.reason, fields_of(found)) == (Reason.INVALID_PARTY_SIZE, ["party.party_size"])
    assert found.metadata["limit"] == "1..500"


def test_a_missing_request_id_has_a_reason_of_its_own_but_a_malformed_one_has_not() -> None:
    request = put_booking()
    request.request_id = ""
    assert refusal(read_put_booking, request).reason is Reason.REQUEST_ID_MISSING
    request.request_id = "once"
    assert refusal(read_put_booking, request).reason is Reason.INVALID_ARGUMENT_FIELD


def test_a_missing_message_is_one_violation_and_not_one_for_each_of_its_fields() -> None:
    request = put_booking()
    request.ClearField("party")
    assert fields_of(refusal(read_put_booking, request)) == ["party"]


@pytest.mark.parametrize(
    "start",
    [
        Timestamp(seconds=-1),
        Timestamp(seconds=2**62),
        Timestamp(seconds=-(2**62)),
        Timestamp(seconds=EVENING.seconds, nanos=-1),
        Timestamp(seconds=EVENING.seconds, nanos=2_000_000_000),
        Timestamp(seconds=EVENING.seconds, nanos=1),
        Timestamp(seconds=int(datetime(2200, 1, 1, tzinfo=UTC).timestamp())),
    ],
)
def test_a_start_that_is_no_whole_second_of_our_times_is_refused(start: Timestamp) -> None:
    assert fields_of(refusal(read_put_booking, put_booking(start=start))) == ["party.start"]


@pytest.mark.parametrize("seconds", [299, 43_201, -1, 2**62])
def test_a_stay_outside_its_range_is_refused(seconds: int) -> None:
    found = refusal(read_put_booking, put_booking(duration=Duration(seconds=seconds)))
    assert (fields_of(found), found.metadata["limit"]) == (["party.duration"], "300..43200")


def test_a_window_has_to_end_after_it_starts_and_within_a_year() -> None:
    def request(start: Timestamp, end: Timestamp) -> booking_service_pb2.ListBookingsRequest:
        return booking_service_pb2.ListBookingsRequest(restaurant_id=A, window_start=start, window_end=end)

    assert read_list_bookings(request(EVENING, LATER)).window.length == timedelta(hours=2)
    far = Timestamp(seconds=EVENING.seconds + 366 * 86_400 + 1)
    early, late = "must be after the start", "is more than 366 days after the start"
    for start, end, problem in ((EVENING, EVENING, early), (LATER, EVENING, early), (EVENING, far, late)):
        found = refusal(read_list_bookings, request(start, end))
        assert (found.reason, fields_of(found)) == (Reason.INVALID_WINDOW, ["window_end"])
        assert found.violations[0].description == problem
    watch = assignment_service_pb2.WatchFloorRequest(restaurant_id=A, window_start=LATER, window_end=EVENING)
    assert refusal(read_watch_floor, watch).reason is Reason.INVALID_WINDOW


def test_a_window_that_is_open_on_one_side_is_closed_by_the_ends_of_time() -> None:
    window = read_list_holds(
        assignment_service_pb2.ListHoldsRequest(restaurant_id=A, window_start=EVENING)
    ).window
    assert window is not None
    assert (window.start.year, window.end.year) == (2026, 2200)
    assert read_list_holds(assignment_service_pb2.ListHoldsRequest(restaurant_id=A)).window is None


def hold(*table_ids: str, **more: object) -> assignment_service_pb2.HoldTablesRequest:
    values: dict[str, Any] = {"request_id": A, "restaurant_id": A, "booking_id": A} | more
    return assignment_service_pb2.HoldTablesRequest(table_ids=table_ids, **values)


def test_the_table_that_comes_twice_is_named_with_the_place_where_it_came_first() -> None:
    found = refusal(read_hold_tables, hold(A, B, A.upper(), "x"))
    assert fields_of(found) == ["table_ids[2]", "table_ids[3]"]
    assert found.violations[0].description == f"{A} is already in table_ids[0]"


@pytest.mark.parametrize("count", [0, 11, 100_000])
def test_too_few_or_too_many_tables_are_counted_not_read(count: int) -> None:
    found = refusal(read_hold_tables, hold(*["bad"] * count))
    assert fields_of(found) == ["table_ids"]
    assert str(count) in found.violations[0].description


def test_a_time_to_live_is_any_length_of_time_that_means_something() -> None:
    assert read_hold_tables(hold(A)).ttl_s is None
    assert read_hold_tables(hold(A, ttl=Duration(seconds=-5))).ttl_s == -5
    assert read_hold_tables(hold(A, ttl=Duration(seconds=1, nanos=500_000_000))).ttl_s == 1.5
    assert fields_of(refusal(read_hold_tables, hold(A, ttl=Duration(seconds=1, nanos=-1)))) == ["ttl"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "\u200b\ufeff",
        "a" * 201,
        "two\nlines",
        "nul\x00",
        "next\u2028line",
        "bell\x07",
        "Ada\u202e.nimda",
        "Ada\u2067",
    ],
)
def test_a_name_is_one_visible_line(name: str) -> None:
    restaurant = inventory_pb2.Restaurant(restaurant_id=A, name=name, time_zone="Europe/London")
    request = inventory_service_pb2.PutRestaurantRequest(request_id=A, restaurant=restaurant)
    assert fields_of(refusal(read_put_restaurant, request)) == ["restaurant.name"]


@pytest.mark.parametrize(
    "zone", ["", "Mars/Olympus", "../etc/passwd", "/etc/localtime", "localtime", "europe/london", "UTC\x00"]
)
def test_a_time_zone_is_one_of_the_database_and_never_a_path(zone: str) -> None:
    restaurant = inventory_pb2.Restaurant(restaurant_id=A, name="é 寿司", time_zone=zone)
    request = inventory_service_pb2.PutRestaurantRequest(request_id=A, restaurant=restaurant)
    assert fields_of(refusal(read_put_restaurant, request)) == ["restaurant.time_zone"]


def test_an_unknown_number_of_an_enum_is_refused_and_the_known_names_are_listed() -> None:
    request = inventory_service_pb2.BlockTablesRequest(
        request_id=A,
        restaurant_id=A,
        table_ids=[A],
        window_start=EVENING,
        window_end=LATER,
        cause=99,  # type: ignore[arg-type]
    )
    found = refusal(read_block_tables, request)
    assert fields_of(found) == ["cause"]
    assert "BLOCK_CAUSE_MAINTENANCE" in found.violations[0].description


def test_defaults_of_a_policy_are_filled_in_and_survive_the_way_there_and_back() -> None:
    policy = read_put_service_policy(put_policy()).policy
    assert (policy.slack_max, policy.combinations, policy.weights) == (4, Combinations(), Weights())
    assert policy.periods[0].closes_min == 24 * 60
    message = policy_message(PolicyPut(policy, 7))
    assert (message.etag, message.weights.merge) == ("p7", 1.5)
    again = inventory_service_pb2.PutServicePolicyRequest(request_id=A, restaurant_id=A, policy=message)
    assert read_put_service_policy(again).policy == policy


@pytest.mark.parametrize("weight", [math.nan, math.inf, -math.inf, -0.1, 1_000.1])
def test_a_weight_is_a_number_within_its_range(weight: float) -> None:
    request = put_policy(weights=inventory_pb2.PlanWeights(merge=weight))
    assert fields_of(refusal(read_put_service_policy, request)) == ["policy.weights.merge"]


def test_a_forecast_is_ordered_by_size_and_survives_the_way_there_and_back() -> None:
    entries = [inventory_pb2.ExpectedParties(party_size=size, parties=size / 2) for size in (4, 2)]
    policy = read_put_service_policy(put_policy(forecast=entries)).policy
    assert policy.forecast == (ExpectedParties(2, 1.0), ExpectedParties(4, 2.0))
    assert list(policy_message(PolicyPut(policy, 1)).forecast) == entries[::-1]


def test_a_forecast_names_possible_sizes_and_numbers() -> None:
    entries = [
        inventory_pb2.ExpectedParties(party_size=0, parties=1),
        inventory_pb2.ExpectedParties(party_size=2, parties=-1),
    ]
    found = fields_of(refusal(read_put_service_policy, put_policy(forecast=entries)))
    assert found == ["policy.forecast[0].party_size", "policy.forecast[1].parties"]
    many = [inventory_pb2.ExpectedParties(party_size=size) for size in range(1, 102)]
    assert fields_of(refusal(read_put_service_policy, put_policy(forecast=many))) == ["policy.forecast"]


def test_a_forecast_that_names_a_size_twice_is_a_problem_of_the_policy() -> None:
    twice = ServicePolicy((), forecast=(ExpectedParties(2, 1.0), ExpectedParties(2, 3.0)))
    assert [problem.field for problem in policy_problems(twice)] == ["policy.forecast"]


@pytest.mark.parametrize("time", ["", "9:00", "09:60", "24:01", "25:00", "09:00:00", "٠٩:٠٠", "-1:00"])
def test_a_local_time_has_two_digits_and_two_digits(time: str) -> None:
    request = put_policy()
    request.policy.periods[0].opens = time
    assert fields_of(refusal(read_put_service_policy, request)) == ["policy.periods[0].opens"]


def test_zero_is_a_setting_of_its_own_where_a_field_can_be_left_out() -> None:
    combinations = inventory_pb2.CombinationPolicy(
        enabled=False, adjacency_mode=inventory_pb2.ADJACENCY_MODE_HUB
    )
    policy = read_put_service_policy(put_policy(slack_max=0, combinations=combinations)).policy
    assert (policy.slack_max, policy.combinations) == (0, Combinations(False, 3, AdjacencyMode.HUB))


def test_a_table_without_bounds_takes_one_to_all_of_its_seats() -> None:
    command = read_put_floor(put_floor(inventory_pb2.Table(table_id=A, zone_id=A, name="1", capacity=4)))
    (table,) = command.floor.tables
    assert (table.min_party, table.max_party, table.in_service, table.movable) == (1, 4, True, False)


def test_bad_fields_deep_in_a_floor_are_named_by_their_whole_path() -> None:
    good = inventory_pb2.Table(table_id=A, zone_id=A, name="1", capacity=4)
    bad = inventory_pb2.Table(table_id=B, zone_id=A, name="2", capacity=101, min_party=200)
    found = refusal(read_put_floor, put_floor(good, bad, adjacency=((A, B), (B, A), (A, B))))
    assert fields_of(found) == [
        "floor.tables[1].capacity",
        "floor.tables[1].min_party",
        "floor.adjacency[1]",
        "floor.adjacency[2]",
    ]


@pytest.mark.parametrize(("sent", "actor"), [("", ""), (" \u3000", ""), (" Ada L. ", "Ada L.")])
def test_an_actor_of_blanks_is_none(sent: str, actor: str) -> None:
    """The audit log would name nobody, where the caller is known."""
    request = put_booking()
    request.actor = sent
    assert read_put_booking(request).actor == actor


def test_only_the_fields_in_the_mask_are_read() -> None:
    request = inventory_service_pb2.UpdateTableRequest(
        request_id=A,
        restaurant_id=A,
        table=inventory_pb2.Table(table_id=B, capacity=-5, state=inventory_pb2.TABLE_STATE_OUT_OF_SERVICE),
        update_mask=FieldMask(paths=["state", "movable"]),
    )
    assert read_update_table(request).changes == (("in_service", False), ("movable", False))
    request.update_mask.paths.append("capacity")
    assert fields_of(refusal(read_update_table, request)) == ["table.capacity"]


@pytest.mark.parametrize("paths", [[], ["table_id"], ["name", "seats"], ["name"] * 100])
def test_a_mask_names_fields_that_can_be_changed(paths: list[str]) -> None:
    request = inventory_service_pb2.UpdateTableRequest(
        request_id=A,
        restaurant_id=A,
        table=inventory_pb2.Table(table_id=B, name="x"),
        update_mask=FieldMask(paths=paths),
    )
    assert fields_of(refusal(read_update_table, request)) == ["update_mask"]


def test_of_more_bad_fields_than_are_listed_all_are_counted() -> None:
    request = inventory_service_pb2.PutFloorRequest(request_id=A, restaurant_id=A)
    for _ in range(VIOLATIONS_LISTED_MAX + 1):
        request.floor.zones.add(name="z")
    found = refusal(read_put_floor, request)
    listed = [f"floor.zones[{number}].zone_id" for number in range(VIOLATIONS_LISTED_MAX)]
    assert fields_of(found) == listed
    assert found.message.endswith(f"({VIOLATIONS_LISTED_MAX} more)")


def test_a_plan_is_for_a_booking_or_for_a_party() -> None:
    nobody = planner_service_pb2.PlanTablesRequest(restaurant_id=A)
    assert fields_of(refusal(read_plan_tables, nobody)) == ["booking_id"]
    question = read_plan_tables(planner_service_pb2.PlanTablesRequest(restaurant_id=A, booking_id=B))
    assert (question.subject, question.plans_max) == (Subject(booking_id=UUID(B)), 5)
