"""From a start to a stay: periods, turn times, buffers, closing time, clock changes."""

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from server.domain.hours import (
    local_time,
    next_opening,
    opening_at,
    openings_on,
    planning_horizon,
    service_date,
    service_day,
    starts_on,
    stay_for,
)
from server.domain.policy import ServicePeriod, ServicePolicy, TurnTime
from server.domain.window import Stay, Window
from server.errors import Reason, ServiceError

LONDON = "Europe/London"
NEW_YORK = "America/New_York"
NUUK = "America/Nuuk"
LORD_HOWE = "Australia/Lord_Howe"
TURNS = (TurnTime(2, 3600), TurnTime(4, 75 * 60), TurnTime(6, 85 * 60), TurnTime(8, 90 * 60))
LUNCH = ServicePeriod("lunch", 12 * 60, 15 * 60, TURNS, may_overrun=True)
DINNER = ServicePeriod("dinner", 17 * 60, 22 * 60, TURNS, shortest_stay_s=15 * 60)
NIGHT = ServicePeriod("night", 22 * 60, 3 * 60, TURNS)


def policy(*periods: ServicePeriod, before_min: int = 0, after_min: int = 5) -> ServicePolicy:
    return ServicePolicy(periods, buffer_before_s=before_min * 60, buffer_after_s=after_min * 60)


def local(text: str, time_zone: str = LONDON) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(time_zone))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def stay(start: str, party_size: int = 4, *periods: ServicePeriod, minutes: int | None = None) -> Stay:
    duration = None if minutes is None else timedelta(minutes=minutes)
    return stay_for(policy(*(periods or (LUNCH, DINNER))), LONDON, party_size, local(start), duration)


def refusal(start: str, party_size: int = 4, *periods: ServicePeriod) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        stay(start, party_size, *periods)
    return caught.value


@pytest.mark.parametrize(
    ("start", "party_size", "period", "dining_end", "window_end"),
    [
        ("2025-01-01T14:30", 4, "lunch", "2025-01-01T15:45", "2025-01-01T15:50"),
        ("2025-06-10T12:00", 2, "lunch", "2025-06-10T12:00", "2025-06-10T12:05"),
        ("2025-06-10T12:00", 3, "lunch", "2025-06-10T12:15", "2025-06-10T12:20"),
        ("2025-06-10T12:00", 6, "lunch", "2025-06-10T12:25", "2025-06-10T12:30"),
        ("2025-06-10T17:00", 5, "dinner", "2025-06-10T17:25", "2025-06-10T17:30"),
        ("2025-06-10T17:00", 12, "dinner", "2025-06-10T17:30", "2025-06-10T17:35"),
        ("2025-06-10T20:56", 2, "dinner", "2025-06-10T20:55", "2025-06-10T21:00"),
        ("2025-03-30T12:30", 4, "lunch", "2025-03-30T12:45", "2025-03-30T12:50"),
        ("2025-10-26T18:00", 4, "dinner", "2025-10-26T19:15", "2025-10-26T19:20"),
    ],
)
def test_a_party_stays_as_long_as_its_size_and_the_period_say(
    start: str, party_size: int, period: str, dining_end: str, window_end: str
) -> None:
    found = stay(start, party_size)
    assert found == Stay(Window(local(start), utc(dining_end)), Window(local(start), utc(window_end)), period)


def test_buffers_surround_the_meal() -> None:
    found = stay_for(policy(DINNER, before_min=10, after_min=20), LONDON, 2, local("2025-01-10T18:00"))
    assert found.dining == Window(utc("2025-01-10T18:00"), utc("2025-01-10T19:00"))
    assert found.window == Window(utc("2025-01-10T17:50"), utc("2025-01-10T19:20"))


def test_a_start_off_the_grid_keeps_its_seconds() -> None:
    found = stay("2025-01-10T18:03:27")
    assert found.window == Window(utc("2025-01-10T18:03:27"), utc("2025-01-10T19:23:27"))


def test_an_asked_duration_replaces_the_turn_time() -> None:
    assert stay("2025-01-10T18:00", minutes=200).dining.length == timedelta(minutes=200)


def test_a_period_that_may_be_overrun_lets_the_last_party_finish() -> None:
    assert stay("2025-01-10T14:59").dining.end == utc("2025-01-10T16:14")


def test_a_stay_is_cut_at_the_close_down_to_the_shortest_stay() -> None:
    assert stay("2025-01-10T21:30").window == Window(utc("2025-01-10T21:30"), utc("2025-01-10T22:00"))
    assert stay("2025-01-10T21:40").dining.length == timedelta(minutes=15)
    assert stay("2025-01-10T21:45", minutes=10).dining.length == timedelta(minutes=10)


def test_a_stay_that_would_be_cut_too_short_is_refused_with_the_latest_start() -> None:
    error = refusal("2025-01-10T21:41")
    assert error.reason is Reason.SERVICE_OVERRUN
    assert datetime.fromisoformat(error.refusal.metadata["latest_start"]) == utc("2025-01-10T21:40")
    assert error.refusal.metadata["period"] == "dinner"


def test_without_a_shortest_stay_nothing_is_cut() -> None:
    uncut = ServicePeriod("dinner", 17 * 60, 22 * 60, TURNS)
    assert stay("2025-01-10T20:40", 4, uncut).window.end == utc("2025-01-10T22:00")
    error = refusal("2025-01-10T20:41", 4, uncut)
    assert error.reason is Reason.SERVICE_OVERRUN
    assert datetime.fromisoformat(error.refusal.metadata["latest_start"]) == utc("2025-01-10T20:40")


def test_where_no_start_leaves_room_none_is_named() -> None:
    short = ServicePeriod("short", 18 * 60, 19 * 60, TURNS)
    error = refusal("2025-01-10T18:00", 4, LUNCH, short)
    assert (error.reason, error.refusal.metadata["latest_start"]) == (Reason.SERVICE_OVERRUN, "")
    assert error.refusal.message == (
        "A stay of 75 min from Fri 2025-01-10 18:00 GMT, and 5 min after it, does not fit before short ends at "
        "Fri 2025-01-10 19:00 GMT; no start in it leaves room."
    )
    assert refusal("2025-01-10T18:01", 2, LUNCH, short).refusal.metadata["latest_start"] == ""
    just = ServicePeriod("just", 18 * 60, 19 * 60 + 5, TURNS)
    error = refusal("2025-01-10T18:01", 2, LUNCH, just)
    assert datetime.fromisoformat(error.refusal.metadata["latest_start"]) == utc("2025-01-10T18:00")


@pytest.mark.parametrize(
    ("start", "opens"),
    [
        ("2025-06-10T11:59:59", "2025-06-10T11:00"),
        ("2025-06-10T15:00", "2025-06-10T16:00"),
        ("2025-06-10T22:00", "2025-06-11T11:00"),
        ("2025-03-29T23:00", "2025-03-30T11:00"),
    ],
)
def test_outside_the_periods_the_next_opening_is_named(start: str, opens: str) -> None:
    error = refusal(start)
    assert error.reason is Reason.OUTSIDE_SERVICE_HOURS
    assert datetime.fromisoformat(error.refusal.metadata["next_opening"]) == utc(opens)


def test_a_start_is_inside_from_the_opening_and_no_longer_at_the_close() -> None:
    assert stay("2025-06-10T12:00", 2).period == "lunch"
    assert refusal("2025-06-10T15:00").reason is Reason.OUTSIDE_SERVICE_HOURS


def test_a_period_on_some_days_is_closed_on_the_others() -> None:
    fridays = ServicePeriod("friday", 18 * 60, 22 * 60, TURNS, days=(5,))
    assert stay("2025-01-10T19:00", 2, fridays).period == "friday"
    assert next_opening(policy(fridays), LONDON, local("2025-01-10T18:00")) == utc("2025-01-17T18:00")
    assert next_opening(policy(), LONDON, local("2025-01-10T18:00")) is None


def test_after_midnight_the_period_of_the_evening_before_is_still_open() -> None:
    friday_night = ServicePeriod("night", 22 * 60, 3 * 60, TURNS, days=(5,))
    found = stay("2025-01-11T00:30", 2, friday_night)
    assert (found.period, found.window.end) == ("night", utc("2025-01-11T01:35"))
    assert refusal("2025-01-10T00:30", 2, friday_night).reason is Reason.OUTSIDE_SERVICE_HOURS
    assert refusal("2025-01-11T03:00", 2, friday_night).reason is Reason.OUTSIDE_SERVICE_HOURS


def test_a_period_that_closes_when_it_opens_is_open_around_the_clock() -> None:
    always = ServicePeriod("always", 8 * 60, 8 * 60, TURNS)
    (opening,) = openings_on(policy(always), LONDON, date(2025, 1, 10))
    assert opening.span == Window(utc("2025-01-10T08:00"), utc("2025-01-11T08:00"))


@pytest.mark.parametrize(
    ("instant", "told"),
    [
        ("2025-10-26T00:30", "Sun 2025-10-26 01:30 BST"),
        ("2025-10-26T01:30", "Sun 2025-10-26 01:30 GMT"),
        ("2025-01-10T18:00:07.5", "Fri 2025-01-10 18:00:07 GMT"),
    ],
)
def test_people_are_told_the_restaurants_time_and_which_of_two_the_same_it_is(
    instant: str, told: str
) -> None:
    assert local_time(utc(instant), LONDON) == told


@pytest.mark.parametrize(
    ("time_zone", "evening", "opens", "closes", "hours"),
    [
        (LONDON, "2025-03-28", "2025-03-28T22:00", "2025-03-29T03:00", 5),
        (LONDON, "2025-03-29", "2025-03-29T22:00", "2025-03-30T02:00", 4),
        (LONDON, "2025-10-25", "2025-10-25T21:00", "2025-10-26T03:00", 6),
        (NEW_YORK, "2025-03-08", "2025-03-09T03:00", "2025-03-09T07:00", 4),
        (NEW_YORK, "2025-11-01", "2025-11-02T02:00", "2025-11-02T08:00", 6),
        (LORD_HOWE, "2025-10-04", "2025-10-04T11:30", "2025-10-04T16:00", 4.5),
        (LORD_HOWE, "2025-04-05", "2025-04-05T11:00", "2025-04-05T16:30", 5.5),
    ],
)
def test_a_night_in_which_the_clock_changes_is_shorter_or_longer(
    time_zone: str, evening: str, opens: str, closes: str, hours: float
) -> None:
    (opening,) = openings_on(policy(NIGHT), time_zone, date.fromisoformat(evening))
    assert opening.span == Window(utc(opens), utc(closes))
    assert opening.span.length == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("time_zone", "day", "opens_min", "opens"),
    [
        # Skipped by the clock: read by the old offset, so after the gap.
        (LONDON, "2025-03-30", 90, "2025-03-30T01:30"),
        (NEW_YORK, "2025-03-09", 150, "2025-03-09T07:30"),
        (LORD_HOWE, "2025-10-05", 135, "2025-10-04T15:45"),
        # Shown twice by the clock: the first time.
        (LONDON, "2025-10-26", 90, "2025-10-26T00:30"),
        (NEW_YORK, "2025-11-02", 90, "2025-11-02T05:30"),
        (LORD_HOWE, "2025-04-06", 105, "2025-04-05T14:45"),
    ],
)
def test_a_wall_time_that_is_skipped_or_repeated_is_one_instant(
    time_zone: str, day: str, opens_min: int, opens: str
) -> None:
    early = ServicePeriod("early", opens_min, 12 * 60, TURNS)
    (opening,) = openings_on(policy(early), time_zone, date.fromisoformat(day))
    assert opening.span.start == utc(opens)


def test_a_period_of_which_a_clock_change_leaves_nothing_does_not_open_that_day() -> None:
    small_hours = policy(ServicePeriod("small hours", 90, 2 * 60, TURNS))
    assert list(openings_on(small_hours, LONDON, date(2025, 3, 30))) == []
    opens = next_opening(small_hours, LONDON, utc("2025-03-30T00:00"))
    assert opens == utc("2025-03-31T00:30")
    assert opening_at(small_hours, LONDON, opens) is not None


def test_what_opens_in_an_hour_that_is_skipped_before_midnight_opens_after_it() -> None:
    """In Greenland the clock goes from 23:00 on to midnight."""
    late = policy(ServicePeriod("late", 23 * 60 + 15, 2 * 60, TURNS))
    for start in ("2025-03-29T22:59", "2025-03-30T00:05"):
        assert next_opening(late, NUUK, local(start, NUUK)) == local("2025-03-30T00:15", NUUK)


@pytest.mark.parametrize(("first", "second"), [("early", "next"), ("next", "early")])
def test_where_a_skipped_hour_makes_periods_overlap_the_first_of_those_of_that_date_is_open(
    first: str, second: str
) -> None:
    periods = {
        "early": ServicePeriod("early", 30, 90, TURNS),
        "next": ServicePeriod("next", 2 * 60, 3 * 60, TURNS),
        "evening before": ServicePeriod("evening before", 23 * 60, 20, TURNS),
    }
    asked = policy(*(periods[name] for name in ("evening before", first, second)))
    opening = opening_at(asked, LONDON, utc("2025-03-30T01:15"))
    assert opening is not None
    assert opening.period.name == first


@pytest.mark.parametrize("start", ["2025-03-30T00:30", "2025-10-26T00:30"])
def test_a_stay_across_a_clock_change_is_elapsed_time(start: str) -> None:
    begin = local(start).astimezone(UTC)
    found = stay_for(policy(NIGHT), LONDON, 2, begin)
    assert found.dining == Window(begin, begin + timedelta(hours=1))
    assert found.window.length == timedelta(minutes=65)


def test_both_passes_of_a_repeated_hour_are_inside_the_night() -> None:
    for instant in ("2025-10-26T00:30", "2025-10-26T01:30", "2025-10-26T02:59"):
        assert opening_at(policy(NIGHT), LONDON, utc(instant)) is not None
    assert opening_at(policy(NIGHT), LONDON, utc("2025-10-26T03:00")) is None


def quarters(periods: tuple[ServicePeriod, ...], day: str, time_zone: str = LONDON) -> list[datetime]:
    return starts_on(policy(*periods), time_zone, date.fromisoformat(day), timedelta(minutes=15))


def test_after_midnight_the_service_date_is_still_that_of_the_evening() -> None:
    night = policy(NIGHT)
    assert service_date(night, LONDON, local("2026-05-16T02:45")) == date(2026, 5, 15)
    assert service_date(night, LONDON, local("2026-05-15T22:00")) == date(2026, 5, 15)
    assert service_date(night, LONDON, local("2026-05-16T03:00")) == date(2026, 5, 16)


def test_a_service_day_begins_at_midnight_and_ends_when_its_last_period_does() -> None:
    day = date(2026, 5, 15)
    midnights = Window(local("2026-05-15T00:00"), local("2026-05-16T00:00"))
    assert service_day(policy(), LONDON, day) == service_day(policy(DINNER), LONDON, day) == midnights
    until_three = Window(midnights.start, local("2026-05-16T03:00"))
    assert service_day(policy(NIGHT), LONDON, day) == until_three


def test_gaps_are_measured_in_the_period_and_where_the_stay_itself_reaches_beyond() -> None:
    buffered = policy(DINNER, before_min=10)
    opens, closes = utc("2025-01-10T17:00"), utc("2025-01-10T22:00")
    inside = stay_for(buffered, LONDON, 2, local("2025-01-10T18:00"))
    assert planning_horizon(buffered, LONDON, inside) == Window(opens, closes)
    first = stay_for(buffered, LONDON, 2, local("2025-01-10T17:00"))
    assert planning_horizon(buffered, LONDON, first) == Window(opens - timedelta(minutes=10), closes)
    overrunning = stay("2025-01-10T14:30")
    assert planning_horizon(policy(LUNCH), LONDON, overrunning).end == utc("2025-01-10T15:50")


def test_a_stay_that_the_present_policy_has_no_period_for_is_measured_by_itself() -> None:
    evening = stay("2025-01-10T18:00")
    assert planning_horizon(policy(LUNCH), LONDON, evening) == evening.window


def test_the_starts_of_a_date_are_the_quarters_of_the_clock_in_all_its_periods() -> None:
    odd = ServicePeriod("odd", 12 * 60 + 10, 13 * 60 + 1, TURNS)
    starts = [
        start.astimezone(ZoneInfo(LONDON)).strftime("%H:%M") for start in quarters((NIGHT, odd), "2026-05-15")
    ]
    assert starts[:5] == ["12:15", "12:30", "12:45", "13:00", "22:00"]
    assert (starts[-1], len(starts)) == ("02:45", 4 + 20)


@pytest.mark.parametrize(("day", "count"), [("2026-03-28", 16), ("2026-10-24", 24), ("2026-05-15", 20)])
def test_a_night_in_which_the_clock_changes_has_fewer_or_more_starts(day: str, count: int) -> None:
    starts = quarters((NIGHT,), day)
    assert len(starts) == len(set(starts)) == count
    assert {later - earlier for earlier, later in itertools.pairwise(starts)} == {timedelta(minutes=15)}


def test_a_time_zone_off_the_hour_has_its_own_quarters() -> None:
    (first, *_) = quarters((LUNCH,), "2026-05-15", "Asia/Kathmandu")
    assert first == utc("2026-05-15T06:15")
