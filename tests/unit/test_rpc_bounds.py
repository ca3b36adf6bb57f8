"""What is just accepted, as it was sent."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from maitred.v1 import (
    assignment_pb2,
    assignment_service_pb2,
    booking_pb2,
    booking_service_pb2,
    inventory_pb2,
    inventory_service_pb2,
    planner_service_pb2,
)
from server.domain.limits import INSTANT_MAX, INSTANT_MIN
from server.errors import FieldViolation, Reason, Refusal, ServiceError
from server.orchestrator.put_floor import FloorPut
from server.rpc.interceptors.parsing import Parsing
from server.rpc.interceptors.unary import Context
from server.rpc.messages.assignment import (
    read_assign_tables,
    read_hold_tables,
    read_list_holds,
    read_reassign_tables,
    read_replace_hold,
    read_validate_selection,
)
from server.rpc.messages.auto_assign import read_auto_assign, read_dispatch_auto_assign
from server.rpc.messages.auto_assign_batch import read_auto_assign_batch
from server.rpc.messages.booking import read_list_bookings, read_put_booking
from server.rpc.messages.checks import OVERRIDES_READ
from server.rpc.messages.floor import floor_message, read_put_floor, read_update_table
from server.rpc.messages.inventory import read_list_restaurants, read_put_restaurant
from server.rpc.messages.planner import read_explain_table
from server.rpc.messages.policy import read_put_service_policy
from server.rpc.messages.text import shortened
from server.rpc.status import MESSAGE_BYTES_MAX, message_of
from tests.support.requests import policy

A, B = str(UUID(int=1)), str(UUID(int=2))
EVENING = datetime(2026, 6, 1, 18, tzinfo=UTC)


def put_into(message: Message, path: str, value: object) -> None:
    """Sets a field of the message, or of a message in it; None clears it."""
    *parts, last = path.replace("[0]", "").split(".")
    part: Any = message
    for name in parts:
        inner = getattr(part, name)
        part = inner if isinstance(inner, Message) else inner[0]
    if isinstance(value, Message):
        getattr(part, last).CopyFrom(value)
    elif value is None:
        part.ClearField(last)
    else:
        setattr(part, last, value)


def at(instant: datetime, nanos: int = 0) -> Timestamp:
    return Timestamp(seconds=int(instant.timestamp()), nanos=nanos)


def bookings_from(start: Timestamp) -> booking_service_pb2.ListBookingsRequest:
    end = at(EVENING + timedelta(days=1))
    return booking_service_pb2.ListBookingsRequest(restaurant_id=A, window_start=start, window_end=end)


@pytest.mark.parametrize(("size", "stay_s"), [(1, 300), (500, 43_200)])
def test_a_party_of_one_and_one_of_five_hundred(size: int, stay_s: int) -> None:
    stay, attributes = Duration(seconds=stay_s), ["a" * 32, *"bcdefghijklmnop"]
    party = booking_pb2.PartyRequest(
        party_size=size, start=at(EVENING), duration=stay, required_attributes=attributes
    )
    request = booking_service_pb2.PutBookingRequest(
        request_id=A, restaurant_id=A, booking_id=A, party=party, reference="r" * 100, etag="e" * 500
    )
    read = read_put_booking(request).party
    assert (read.party_size, read.duration_s, list(read.required_attributes)) == (size, stay_s, attributes)


@pytest.mark.parametrize("name", ["n", "n" * 200])
def test_a_name_of_one_character_and_one_of_two_hundred(name: str) -> None:
    restaurant = inventory_pb2.Restaurant(restaurant_id=A, name=name, time_zone="Europe/London")
    request = inventory_service_pb2.PutRestaurantRequest(request_id=A, restaurant=restaurant)
    assert read_put_restaurant(request).name == name


def test_a_floor_of_the_least_and_the_most_survives_the_way_there_and_back() -> None:
    least = inventory_pb2.Table(table_id=A, zone_id=A, name="t", capacity=1, min_party=1, max_party=1)
    least.state = inventory_pb2.TABLE_STATE_OUT_OF_SERVICE
    most = inventory_pb2.Table(
        table_id=B, zone_id=B, name="m" * 50, capacity=100, min_party=100, max_party=100
    )
    most.MergeFrom(
        inventory_pb2.Table(movable=True, attributes=["quiet"], state=inventory_pb2.TABLE_STATE_IN_SERVICE)
    )
    sent = inventory_pb2.Floor(restaurant_id=A, inventory_version=7, etag="i7", tables=[least, most])
    sent.zones.add(zone_id=A, name="z", sort_order=-(2**31))
    sent.zones.add(zone_id=B, name="y" * 100, sort_order=2**31 - 1)
    sent.adjacency.add(table_a=A, table_b=B)
    request = inventory_service_pb2.PutFloorRequest(request_id=A, restaurant_id=A, floor=sent)
    assert floor_message(FloorPut(UUID(A), read_put_floor(request).floor, 7)) == sent


@pytest.mark.parametrize(
    ("field", "sent", "read"),
    [
        ("name", "t", "t"),
        ("name", "t" * 50, "t" * 50),
        ("capacity", 1, 1),
        ("capacity", 100, 100),
        ("min_party", 0, 1),
        ("min_party", 1, 1),
        ("min_party", 100, 100),
        ("max_party", 0, 0),
        ("max_party", 1, 1),
        ("max_party", 100, 100),
    ],
)
def test_the_least_and_the_most_that_a_table_is_changed_to(
    field: str, sent: int | str, read: int | str
) -> None:
    table = inventory_pb2.Table(table_id=A)
    setattr(table, field, sent)
    mask = FieldMask(paths=[field])
    request = inventory_service_pb2.UpdateTableRequest(
        request_id=A, restaurant_id=A, table=table, update_mask=mask
    )
    assert read_update_table(request).changes == ((field, read),)


@pytest.mark.parametrize(
    ("weight", "lengths_s", "size", "name", "opens_min"),
    [(0.0, (0, 0, 0, 0), 1, "p", 0), (1_000.0, (7_200, 7_200, 86_400, 31 * 86_400), 500, "p" * 50, 1_439)],
)
def test_the_least_and_the_most_that_a_policy_may_say(
    weight: float, lengths_s: tuple[int, ...], size: int, name: str, opens_min: int
) -> None:
    wanted = policy()
    wanted.weights.merge = weight
    wanted.combinations.adjacency_party_size_min = wanted.periods[0].turn_times[0].party_size_max = size
    wanted.periods[0].name, wanted.periods[0].opens = name, f"{opens_min // 60:02d}:{opens_min % 60:02d}"
    fields = (wanted.buffer_before, wanted.buffer_after, wanted.check_in_lead, wanted.auto_assign_cutoff)
    for field, length_s in zip(fields, lengths_s, strict=True):
        field.CopyFrom(Duration(seconds=length_s))
    request = inventory_service_pb2.PutServicePolicyRequest(request_id=A, restaurant_id=A, policy=wanted)
    read = read_put_service_policy(request).policy
    assert read.weights.merge == weight
    lengths = (read.buffer_before_s, read.buffer_after_s, read.check_in_lead_s, read.auto_assign_cutoff_s)
    assert lengths == lengths_s
    (period,) = read.periods
    assert (period.name, period.opens_min, period.turn_times[0].party_size_max) == (name, opens_min, size)
    assert read.combinations.adjacency_party_size_min == size


def test_of_a_size_without_a_number_no_party_is_expected() -> None:
    wanted = policy()
    wanted.forecast[0].ClearField("parties")
    request = inventory_service_pb2.PutServicePolicyRequest(request_id=A, restaurant_id=A, policy=wanted)
    assert [each.parties for each in read_put_service_policy(request).policy.forecast] == [0.0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("periods[0].opens", "24:00"),
        ("periods[0].name", ""),
        ("periods[0].turn_times[0].party_size_max", 0),
        ("periods[0].turn_times[0].party_size_max", 501),
        ("slack_max", -1),
        ("slack_max", 101),
        ("combinations.tables_max", 1),
        ("combinations.tables_max", 6),
        ("combinations.adjacency_party_size_min", 0),
        ("combinations.adjacency_party_size_min", 501),
        ("periods", None),
        ("periods[0].turn_times", None),
        ("buffer_before", Duration(seconds=-1)),
        ("buffer_after", Duration(seconds=-1)),
        ("check_in_lead", Duration(seconds=-1)),
        ("auto_assign_cutoff", Duration(seconds=-1)),
    ],
)
def test_what_is_just_too_little_or_too_much_for_a_policy_is_named(field: str, value: object) -> None:
    wanted = policy()
    put_into(wanted, field, value)
    request = inventory_service_pb2.PutServicePolicyRequest(request_id=A, restaurant_id=A, policy=wanted)
    with pytest.raises(ServiceError) as refused:
        read_put_service_policy(request)
    assert [each.field for each in refused.value.refusal.violations] == [f"policy.{field}"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("zones[0].name", ""), ("tables[0].name", ""), ("tables[0].capacity", 0), ("tables[0].min_party", -1)],
)
def test_what_is_just_too_little_for_a_floor_is_named(field: str, value: int | str) -> None:
    request = inventory_service_pb2.PutFloorRequest(request_id=A, restaurant_id=A)
    request.floor.zones.add(zone_id=A, name="z")
    request.floor.tables.add(table_id=A, zone_id=A, name="t", capacity=2)
    put_into(request.floor, field, value)
    with pytest.raises(ServiceError) as refused:
        read_put_floor(request)
    assert [each.field for each in refused.value.refusal.violations] == [f"floor.{field}"]


def auto_assign(cutoff: Duration) -> int | None:
    request = assignment_service_pb2.AutoAssignRequest(restaurant_id=A, booking_id=A, cutoff=cutoff)
    return read_auto_assign(request).cutoff_s


def dispatch(cutoff: Duration) -> int | None:
    request = assignment_service_pb2.DispatchAutoAssignRequest(
        request_id=A, restaurant_id=A, booking_id=A, cutoff=cutoff
    )
    return read_dispatch_auto_assign(request).cutoff_s


def batch(cutoff: Duration) -> int | None:
    request = assignment_service_pb2.AutoAssignBatchRequest(
        restaurant_id=A, service_date="2026-06-01", cutoff=cutoff
    )
    return read_auto_assign_batch(request).cutoff_s


@pytest.mark.parametrize("read", [auto_assign, dispatch, batch])
def test_a_cutoff_may_be_nothing_and_no_less(read: Callable[[Duration], int | None]) -> None:
    assert read(Duration()) == 0
    with pytest.raises(ServiceError, match="cutoff"):
        read(Duration(seconds=-1))


@pytest.mark.parametrize(
    ("read", "kind", "whose"),
    [
        (read_validate_selection, assignment_service_pb2.ValidateSelectionRequest, ("booking_id",)),
        (read_explain_table, planner_service_pb2.ExplainTableRequest, ("booking_id",)),
        (read_hold_tables, assignment_service_pb2.HoldTablesRequest, ("request_id", "booking_id")),
        (read_replace_hold, assignment_service_pb2.ReplaceHoldRequest, ("request_id", "hold_id")),
        (read_assign_tables, assignment_service_pb2.AssignTablesRequest, ("request_id", "booking_id")),
        (read_reassign_tables, assignment_service_pb2.ReassignTablesRequest, ("request_id", "booking_id")),
    ],
)
def test_without_tables_there_is_nothing_to_select(
    read: Callable[[Any], object], kind: Callable[..., Message], whose: tuple[str, ...]
) -> None:
    with pytest.raises(ServiceError) as refused:
        read(kind(restaurant_id=A, **dict.fromkeys(whose, A)))
    assert [each.field for each in refused.value.refusal.violations] == ["table_ids"]


def test_what_is_wished_for_in_another_order_is_the_same_wish() -> None:
    """Its repeat is one, whatever the order in which the caller put it together."""

    def held(overrides: list[int]) -> object:
        request = assignment_service_pb2.HoldTablesRequest(
            request_id=A,
            restaurant_id=A,
            booking_id=A,
            table_ids=[A],
            overrides=overrides,  # type: ignore[arg-type]
        )
        return read_hold_tables(request)

    def wanted(zones: list[str]) -> object:
        party = booking_pb2.PartyRequest(party_size=2, start=at(EVENING), preferred_zone_ids=zones)
        request = booking_service_pb2.PutBookingRequest(
            request_id=A, restaurant_id=A, booking_id=A, party=party
        )
        return read_put_booking(request)

    overrides = list(OVERRIDES_READ)
    assert held(overrides) == held(overrides[::-1])
    assert wanted([A, B]) == wanted([B, A])


def test_a_weight_below_zero_by_nothing_is_zero() -> None:
    request = inventory_service_pb2.PutServicePolicyRequest(request_id=A, restaurant_id=A, policy=policy())
    request.policy.weights.merge = -0.0
    assert str(read_put_service_policy(request).policy.weights.merge) == "0.0"


def test_a_page_has_a_hundred_rows_unless_another_number_is_asked_for() -> None:
    sizes = [
        read_list_restaurants(inventory_service_pb2.ListRestaurantsRequest(page_size=size)).page.size
        for size in (0, 1, 500)
    ]
    assert sizes == [100, 1, 500]


def test_a_list_of_bookings_is_of_366_days_at_most() -> None:
    def request(days: timedelta) -> booking_service_pb2.ListBookingsRequest:
        return booking_service_pb2.ListBookingsRequest(
            restaurant_id=A, window_start=at(EVENING), window_end=at(EVENING + days)
        )

    year = timedelta(days=366)
    assert read_list_bookings(request(year)).window.length == year
    with pytest.raises(ServiceError) as refused:
        read_list_bookings(request(year + timedelta(seconds=1)))
    assert refused.value.refusal.metadata["limit"] == "31622400 s"


def test_more_choices_than_there_are_are_counted_not_read() -> None:
    """Each of them would be compared with all before it."""
    request = assignment_service_pb2.ListHoldsRequest(restaurant_id=A, states=[99] * 5)  # type: ignore[list-item]
    with pytest.raises(ServiceError) as refused:
        read_list_holds(request)
    (problem,) = refused.value.refusal.violations
    assert problem == FieldViolation("states", "has 5 entries; 0 to 4 are accepted")


def test_a_choice_that_is_not_to_be_had_is_told_by_its_name_with_those_that_are() -> None:
    request = assignment_service_pb2.ListHoldsRequest(
        restaurant_id=A, states=[assignment_pb2.HOLD_STATE_UNSPECIFIED]
    )
    with pytest.raises(ServiceError) as refused:
        read_list_holds(request)
    (problem,) = refused.value.refusal.violations
    states = ["HOLD_STATE_ACTIVE", "HOLD_STATE_CONFIRMED", "HOLD_STATE_RELEASED", "HOLD_STATE_EXPIRED"]
    assert problem.description == f"is HOLD_STATE_UNSPECIFIED; it must be one of {', '.join(states)}"
    assert refused.value.refusal.metadata["limit"] == ",".join(states)


def test_two_ends_of_a_range_that_are_no_instants_are_two_problems() -> None:
    bad = Timestamp(seconds=-1)
    request = assignment_service_pb2.ListHoldsRequest(restaurant_id=A, window_start=bad, window_end=bad)
    with pytest.raises(ServiceError) as refused:
        read_list_holds(request)
    assert [each.field for each in refused.value.refusal.violations] == ["window_start", "window_end"]


@pytest.mark.parametrize("start", [INSTANT_MIN, INSTANT_MAX - timedelta(seconds=1)])
def test_an_instant_of_the_first_second_and_of_the_last(start: datetime) -> None:
    request = booking_service_pb2.ListBookingsRequest(
        restaurant_id=A, window_start=at(start), window_end=at(start)
    )
    with pytest.raises(ServiceError) as refused:
        read_list_bookings(request)
    assert [each.field for each in refused.value.refusal.violations] == ["window_end"]


def test_an_instant_is_read_to_the_microsecond_and_what_is_finer_is_cut_off() -> None:
    window = read_list_bookings(bookings_from(at(EVENING, 123_456_789))).window
    assert window.start == EVENING + timedelta(microseconds=123_456)


@pytest.mark.parametrize("nanos", [-1, 1_000_000_000])
def test_an_instant_with_more_or_less_than_a_part_of_a_second_is_none(nanos: int) -> None:
    with pytest.raises(ServiceError) as refused:
        read_list_bookings(bookings_from(at(EVENING, nanos)))
    assert [each.field for each in refused.value.refusal.violations] == ["window_start"]


@pytest.mark.parametrize(
    ("text", "cut"), [("a" * 9, "a" * 9), ("a" * 10, "a" * 8 + "…"), ("aa,bb,cc,dd", "aa,bb,…")]
)
def test_a_text_has_at_most_so_many_characters_and_says_that_it_was_cut(text: str, cut: str) -> None:
    assert shortened(text, 9) == cut


@pytest.mark.parametrize("letter", [" ", "~", "%", "\x1f", "é"])
def test_a_sentence_goes_whole_as_long_as_it_fits_and_says_when_it_is_cut(letter: str) -> None:
    length = MESSAGE_BYTES_MAX // {" ": 1, "~": 1, "é": 6}.get(letter, 3)
    whole, longer = (
        message_of(Refusal(Reason.HOLD_EXPIRED, letter * count)) for count in (length, length + 1)
    )
    assert whole == letter * length
    assert (longer[-1], len(longer) < length) == ("…", True)


async def test_a_message_of_the_greatest_size_is_read() -> None:
    async def proceed(message: bytes, _: object) -> bytes:
        return message

    parsing, context = Parsing(message_bytes_max=9), cast("Context", None)
    assert await parsing.parsed(bytes, proceed, b"123456789", context) == b"123456789"
    with pytest.raises(ServiceError, match="10 bytes"):
        await parsing.parsed(bytes, proceed, b"1234567890", context)
