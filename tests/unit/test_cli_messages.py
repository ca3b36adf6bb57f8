"""A service day in the words of the contract."""

import json
from datetime import date, timedelta

import pytest

from maitred_client import instant
from maitred_client.messages import DayOfWeek
from server.cli.embedded_server import SAMPLE_FILE
from server.cli.service_day import ServiceDay
from server.cli.service_day_file import read_service_days
from server.cli.service_day_messages import (
    booking_request,
    floor_request,
    policy_request,
    service_minutes,
    start_of,
)

RESTAURANT = "3f0e7a52-7f6b-4f0f-9d3b-0a8a3c1b2d4e"
SATURDAY = date(2026, 3, 14)


@pytest.fixture
def day() -> ServiceDay:
    return read_service_days(SAMPLE_FILE)[0]


def changed(day: ServiceDay, **policy: object) -> ServiceDay:
    raw = json.loads(day.model_dump_json())
    raw["policy"].update(policy)
    return ServiceDay.model_validate_json(json.dumps(raw))


def test_the_floor_has_the_same_ids_whoever_reads_the_day(day: ServiceDay) -> None:
    again = read_service_days(SAMPLE_FILE)[0]
    assert floor_request(day, RESTAURANT) == floor_request(again, RESTAURANT)


def test_every_adjacency_names_two_tables_of_the_floor(day: ServiceDay) -> None:
    floor = floor_request(day, RESTAURANT).floor
    ids = {table.table_id for table in floor.tables}
    assert len(ids) == len(day.tables)
    assert len(floor.adjacency) == len(day.edges)
    assert all({edge.table_a, edge.table_b} <= ids for edge in floor.adjacency)


def test_a_service_past_midnight_closes_on_the_next_day(day: ServiceDay) -> None:
    late = next(p for p in policy_request(day, RESTAURANT).policy.periods if p.name == "late")
    assert (late.opens, late.closes) == ("22:30", "01:30")
    assert list(late.days) == [DayOfWeek.DAY_OF_WEEK_FRIDAY, DayOfWeek.DAY_OF_WEEK_SATURDAY]


def test_only_services_that_may_not_overrun_have_a_shortest_stay(day: ServiceDay) -> None:
    periods = {period.name: period for period in policy_request(day, RESTAURANT).policy.periods}
    assert periods["lunch"].shortest_stay.ToTimedelta() == timedelta(minutes=45)
    assert not periods["dinner"].HasField("shortest_stay")


def test_one_table_at_most_means_that_merging_is_off(day: ServiceDay) -> None:
    combinations = policy_request(changed(day, max_tables=1), RESTAURANT).policy.combinations
    assert combinations.enabled is False
    assert policy_request(day, RESTAURANT).policy.combinations.tables_max == 3


def test_a_request_after_midnight_starts_on_the_next_date(day: ServiceDay) -> None:
    late = next(booking for booking in day.bookings if booking.time == "24:15")
    assert start_of(day, late, SATURDAY).isoformat() == "2026-03-15T00:15:00+01:00"


def test_a_request_carries_its_time_party_and_wishes(day: ServiceDay) -> None:
    booking = next(item for item in day.bookings if item.required_attributes and item.time == "20:15")
    request = booking_request(day, booking, RESTAURANT, SATURDAY)
    assert instant(request.party.start).isoformat() == "2026-03-14T19:15:00+00:00"
    assert request.party.party_size == booking.party
    assert list(request.party.required_attributes) == list(booking.required_attributes)
    assert request.reference == str(booking.n)
    assert not request.party.HasField("duration")


def test_service_minutes_count_only_services_of_the_weekday(day: ServiceDay) -> None:
    lunch, dinner, late = 210, 270, 180
    assert service_minutes(day, SATURDAY) == lunch + dinner + late
    assert service_minutes(day, date(2026, 3, 15)) == lunch + dinner
