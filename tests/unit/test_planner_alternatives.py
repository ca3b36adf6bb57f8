"""What else a party could have: which of its wishes could still be booked."""

from dataclasses import replace
from datetime import timedelta

from server.domain.booking import Party
from server.domain.window import Window
from server.planner.alternatives import booked_anew, other_starts
from tests.builders.questions import at, evening_policy

PARTY = Party(2, at(19))


def test_a_booking_that_began_can_want_something_else_until_its_window_is_over() -> None:
    policy = evening_policy(buffer_after_min=10)
    over = at(20, 10)
    found = booked_anew(policy, "UTC", PARTY, over - timedelta(seconds=1))
    assert found is not None
    assert found.stay.window == Window(at(19), over)
    assert booked_anew(policy, "UTC", PARTY, over) is None


def test_a_start_outside_the_service_hours_cannot_be_booked_anew() -> None:
    assert booked_anew(evening_policy(), "UTC", replace(PARTY, start=at(16)), at(12)) is None


def test_the_other_starts_are_those_from_now_on() -> None:
    slots = other_starts(evening_policy(), "UTC", PARTY, PARTY.start, at(18, 30))
    starts = [slot.party.start for slot in slots]
    assert (starts[:3], starts[-1]) == ([at(18, 30), at(18, 45), at(19, 15)], at(22))
