"""Times as people type them."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from server.cli.instants import long_date, parse_date, parse_start, replay_date, told_near, told_window
from server.cli.question_commands import _starts

ROME = ZoneInfo("Europe/Rome")
NOON = datetime(2026, 3, 13, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("19:30", "2026-03-13T19:30:00+01:00"),
        ("23:59", "2026-03-13T23:59:00+01:00"),
        ("12:00", "2026-03-14T12:00:00+01:00"),
        ("09:15", "2026-03-14T09:15:00+01:00"),
        ("9:15", "2026-03-14T09:15:00+01:00"),
        ("2026-04-01T20:00", "2026-04-01T20:00:00+02:00"),
        ("2026-04-01 20:00", "2026-04-01T20:00:00+02:00"),
        ("2026-04-01T20:00:00Z", "2026-04-01T20:00:00+00:00"),
        ("2026-04-01T20:00-05:00", "2026-04-01T20:00:00-05:00"),
    ],
)
def test_a_start_is_the_next_such_time_on_the_restaurants_clock_or_exactly_what_is_written(
    text: str, expected: str
) -> None:
    assert parse_start(text, lambda: ROME, NOON).isoformat() == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-10-25T00:30Z", "2026-10-25T02:15+01:00"),
        ("2026-10-25T01:30Z", "2026-10-26T02:15+01:00"),
        ("2026-10-25T01:10Z", "2026-10-25T02:15+01:00"),
        ("2026-10-25T01:15Z", "2026-10-26T02:15+01:00"),
        ("2026-10-25T00:10Z", "2026-10-25T02:15+02:00"),
        # In the night in which that hour is skipped.
        ("2026-03-29T01:05Z", "2026-03-30T02:15+02:00"),
    ],
)
def test_an_hour_that_the_clock_shows_twice_comes_twice(now: str, expected: str) -> None:
    start = parse_start("02:15", lambda: ROME, datetime.fromisoformat(now))
    assert start.isoformat(timespec="minutes") == expected


@pytest.mark.parametrize("text", ["", "7pm", "24:00", "12:60", "tomorrow", "2026-13-01T20:00", "2026-04-01"])
def test_what_is_no_time_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_start(text, lambda: ROME, NOON)


@pytest.mark.parametrize("year", ["0001", "1969", "2200", "9999"])
def test_what_no_instant_of_the_service_can_be_is_refused_with_the_years_that_can(year: str) -> None:
    for parse in (parse_date, lambda text: parse_start(f"{text}T20:00", lambda: ROME, NOON)):
        with pytest.raises(ValueError, match="the years 1970 to 2199 are accepted"):
            parse(f"{year}-12-31")


def test_a_date_is_iso_or_refused() -> None:
    assert parse_date("2026-03-14") == date(2026, 3, 14)
    with pytest.raises(ValueError, match="2026-03-14"):
        parse_date("14.3.2026")


def test_a_recorded_day_is_replayed_on_its_weekday_one_to_two_weeks_ahead() -> None:
    recorded = date(2025, 11, 15)
    for offset in range(14):
        today = date(2026, 3, 1) + timedelta(days=offset)
        replayed = replay_date(recorded, today)
        assert replayed.weekday() == recorded.weekday()
        assert 7 <= (replayed - today).days <= 13


def test_dates_are_written_in_words() -> None:
    assert long_date(date(2026, 3, 14)) == "Saturday 14 March 2026"


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("2026-03-13T23:30+00:00", "Sat 00:30"),
        ("2026-03-18T12:00+00:00", "Wed 13:00"),
        ("2026-03-08T12:00+00:00", "Sun 13:00"),
        ("2026-03-20T12:00+00:00", "Fri 2026-03-20 13:00"),
        ("2026-03-06T12:00+00:00", "Fri 2026-03-06 13:00"),
        ("2026-03-29T01:30+00:00", "Sun 2026-03-29 03:30 CEST"),
    ],
)
def test_a_moment_more_than_some_days_away_is_told_with_its_date(moment: str, told: str) -> None:
    assert told_near(datetime.fromisoformat(moment), NOON.astimezone(ROME)) == told


def test_a_window_over_a_change_of_clocks_says_at_both_ends_which_time_it_is() -> None:
    # The hour from two to three is shown twice.
    evening, first, second = (
        datetime(2026, 10, 24, 20, 30, tzinfo=UTC).astimezone(ROME),
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC).astimezone(ROME),
        datetime(2026, 10, 25, 1, 30, tzinfo=UTC).astimezone(ROME),
    )
    assert told_window(evening, first) == "Sat 2026-10-24 22:30–02:30 CEST"
    assert told_window(first, second) == "Sun 2026-10-25 02:30 CEST – 02:30 CET"


def test_the_last_start_of_an_evening_may_be_after_midnight() -> None:
    # The hour after two is skipped.
    starts = _starts(date(2026, 3, 28), time(23), time(4), timedelta(hours=1), ROME)
    assert [f"{start.astimezone(ROME):%a %H:%M}" for start in starts] == [
        *("Sat 23:00", "Sun 00:00", "Sun 01:00", "Sun 03:00", "Sun 04:00")
    ]
    assert len(list(_starts(date(2026, 3, 28), time(4), time(4), timedelta(hours=1), ROME))) == 1


@pytest.mark.parametrize(
    ("day", "first", "last", "expected"),
    [
        (
            date(2026, 10, 25),
            time(1, 30),
            time(2, 30),
            ["01:30 CEST", "02:00 CEST", "02:30 CEST", "02:00 CET", "02:30 CET"],
        ),
        (date(2026, 10, 25), time(2, 30), time(3), ["02:30 CEST", "02:00 CET", "02:30 CET", "03:00 CET"]),
        # A time that is skipped.
        (date(2026, 3, 29), time(1, 30), time(2, 30), ["01:30 CET", "03:00 CEST", "03:30 CEST"]),
    ],
)
def test_starts_go_through_both_hours_that_the_clock_shows_alike(
    day: date, first: time, last: time, expected: list[str]
) -> None:
    starts = _starts(day, first, last, timedelta(minutes=30), ROME)
    assert [f"{start.astimezone(ROME):%H:%M %Z}" for start in starts] == expected
