"""Which steps a booking can take from which status."""

import re
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from server.domain.booking import (
    ASSIGNABLE,
    TRANSITIONS,
    Booking,
    BookingAction,
    BookingStatus,
    next_status,
    require_assignable,
    require_before_cutoff,
    require_check_in_time,
)
from server.errors import Reason, ServiceError
from tests.builders.bookings import ASSIGNMENT, BOOKING, booking
from tests.builders.questions import at
from tests.support.programs import ROOT

S, A = BookingStatus, BookingAction
HEADINGS = {("from", "action", "to")}

ALLOWED = {
    (S.PENDING, A.QUEUE): S.PENDING_ALLOCATION,
    (S.PENDING, A.CANCEL): S.CANCELLED,
    (S.PENDING_ALLOCATION, A.CANCEL): S.CANCELLED,
    (S.CONFIRMED, A.CHECK_IN): S.CHECKED_IN,
    (S.CONFIRMED, A.CANCEL): S.CANCELLED,
    (S.CONFIRMED, A.NO_SHOW): S.NO_SHOW,
    (S.CHECKED_IN, A.COMPLETE): S.COMPLETED,
    (S.CHECKED_IN, A.NO_SHOW): S.NO_SHOW,
    (S.NO_SHOW, A.UNDO_NO_SHOW): S.CONFIRMED,
}


@pytest.mark.parametrize("action", BookingAction)
@pytest.mark.parametrize("status", BookingStatus)
def test_every_step_from_every_status_is_allowed_or_refused_as_the_house_says(
    status: BookingStatus, action: BookingAction
) -> None:
    present = booking(status, assigned_epoch=1 if status is S.CONFIRMED else None)
    if (status, action) in ALLOWED:
        assert next_status(present, action) is ALLOWED[status, action]
        return
    with pytest.raises(ServiceError) as caught:
        next_status(present, action)
    refusal = caught.value.refusal
    allowed = [str(other) for other in BookingAction if (status, other) in ALLOWED]
    assert refusal.reason is Reason.INVALID_STATE_TRANSITION
    assert refusal.metadata["current_status"] == status
    assert refusal.metadata["booking_id"] == str(BOOKING)
    assert refusal.metadata["allowed_actions"] == ",".join(allowed)


@pytest.mark.parametrize("status", BookingStatus)
def test_tables_can_be_given_until_the_party_sits_or_is_gone(status: BookingStatus) -> None:
    if status in {S.PENDING, S.PENDING_ALLOCATION, S.CONFIRMED}:
        require_assignable(booking(status))
        assert status in ASSIGNABLE
        return
    with pytest.raises(ServiceError) as caught:
        require_assignable(booking(status))
    assert caught.value.reason is Reason.INVALID_STATE_TRANSITION


def test_a_moved_party_does_not_sit_down_at_tables_for_another_time() -> None:
    moved = booking(S.CONFIRMED, assigned_epoch=1, epoch=2)
    with pytest.raises(ServiceError) as caught:
        next_status(moved, A.CHECK_IN)
    assert caught.value.reason is Reason.INVALID_STATE_TRANSITION
    assert "check_in" not in caught.value.refusal.metadata["allowed_actions"]
    assert next_status(moved, A.CANCEL) is S.CANCELLED


def test_the_documented_steps_are_those_of_the_house() -> None:
    page = (ROOT / "docs" / "booking-life.md").read_text()
    steps = {(str(before), str(action), str(after)) for (before, action), after in ALLOWED.items()}
    assert set(re.findall(r"^\| (\w+) \| (\w+) \| (\w+) \|$", page, re.MULTILINE)) - HEADINGS == steps
    drawn = {
        (before, word, after)
        for before, after, words in re.findall(r"^ +(\S+) --> (\w+): (.+)$", page, re.MULTILINE)
        for word in re.findall(r"(?:^|, )(\w+)(?=,|$)", words)
    }
    given = {"ConfirmHold", "AssignTables", "AutoAssign"}
    by_calls = {
        ("[*]", "PutBooking", "pending"),
        ("[*]", "PutBooking", "pending_allocation"),
        ("pending", "DispatchAutoAssign", "pending_allocation"),
        ("confirmed", "UnassignTables", "pending"),
        *((before, call, "confirmed") for before in ("pending", "pending_allocation") for call in given),
    }
    assert drawn == steps | by_calls
    assert {before: dict(steps) for before, steps in TRANSITIONS.items() if steps} == {
        status: {action: after for (before, action), after in ALLOWED.items() if before is status}
        for status in {before for before, _ in ALLOWED}
    }


@pytest.mark.parametrize(("lead", "early"), [(None, 10_000), (30, 30), (0, 0), (0, -600), (30, 29)])
def test_a_party_checks_in_from_the_lead_on(lead: int | None, early: int) -> None:
    present, now = booking(S.CONFIRMED, assigned_epoch=1), at(19) - timedelta(minutes=early)
    require_check_in_time(present, None if lead is None else timedelta(minutes=lead), now, "UTC")


def test_a_party_that_is_too_early_is_told_when_to_come() -> None:
    present, lead = booking(S.CONFIRMED, assigned_epoch=1), timedelta(minutes=30)
    with pytest.raises(ServiceError) as caught:
        require_check_in_time(present, lead, at(19) - lead - timedelta(seconds=1), "UTC")
    assert caught.value.reason is Reason.INVALID_STATE_TRANSITION
    assert caught.value.refusal.metadata["allowed_from"] == (at(19) - lead).isoformat()
    assert caught.value.refusal.metadata["allowed_actions"] == "cancel,no_show"


def test_tables_are_looked_for_until_the_cutoff_and_at_that_instant_still() -> None:
    present, cutoff_at = booking(S.PENDING), at(18, 50)
    require_before_cutoff(present, 600, cutoff_at, "UTC")
    require_before_cutoff(present, None, at(19, 30), "UTC")
    late = cutoff_at + timedelta(microseconds=1)
    with pytest.raises(ServiceError) as caught:
        require_before_cutoff(present, 600, late, "UTC")
    assert caught.value.reason is Reason.CUTOFF_PASSED
    assert caught.value.refusal.metadata == {
        "start": at(19).isoformat(),
        "cutoff_s": "600",
        "now": late.isoformat(),
    }


def test_a_booking_with_its_tables_gets_no_others() -> None:
    with pytest.raises(ServiceError) as caught:
        require_assignable(booking(S.CONFIRMED, assigned_epoch=1))
    assert caught.value.reason is Reason.BOOKING_ALREADY_ASSIGNED
    assert caught.value.refusal.metadata["assignment_id"] == str(ASSIGNMENT)


def needs(item: Booking) -> tuple[bool, bool]:
    return item.has_current_tables, item.needs_tables


def test_tables_given_for_an_earlier_need_are_not_current() -> None:
    assert needs(booking(S.CONFIRMED, assigned_epoch=1, epoch=1)) == (True, False)
    assert needs(booking(S.CONFIRMED, assigned_epoch=1, epoch=2)) == (False, True)
    assert needs(booking(S.PENDING)) == (False, True)
    assert needs(booking(S.CANCELLED)) == (False, False)
    require_assignable(booking(S.CONFIRMED, assigned_epoch=1, epoch=2))


def test_only_wishes_can_change_without_needing_other_tables() -> None:
    party = booking(S.PENDING).party
    assert party.needs_same_tables_as(replace(party, preferred_attributes=("quiet",)))
    assert party.needs_same_tables_as(replace(party, preferred_zone_ids=(UUID(int=7),)))
    for changed in (
        replace(party, party_size=5),
        replace(party, start=at(19, 15)),
        replace(party, duration_s=3600),
        replace(party, zone_id=BOOKING),
        replace(party, required_attributes=("quiet",)),
    ):
        assert not party.needs_same_tables_as(changed)
