"""What a use case reads out of the claims and the clock: whose claims they are, and whether it is too late."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from server.domain.booking import BookingStatus
from server.domain.claims import Claim
from server.domain.limits import CONFLICTS_LISTED_MAX
from server.domain.restaurant import Restaurant
from server.domain.window import Window
from server.errors import ClaimKind, Reason, ServiceError
from server.orchestrator.candidate import Candidate
from server.orchestrator.ports import Inventory, PreparedInventory
from server.orchestrator.situation import (
    Situation,
    expired_holds,
    foreign,
    own_holds,
    require_etag,
)
from server.planner.catalog import TableSets
from tests.builders.bookings import BOOKING, RESTAURANT, booking
from tests.builders.floors import row, table_id
from tests.builders.questions import at, claim, evening_policy

NOW, OTHER = at(18), UUID(int=77)


def held(owner: int, booking_id: UUID, expires_at: datetime) -> Claim:
    found = claim(1, at(19), at(20), ClaimKind.HOLD, owner)
    return replace(found, booking_id=booking_id, expires_at=expires_at)


LIVE = NOW + timedelta(microseconds=1)
MINE, MINE_OVER = held(1, BOOKING, LIVE), held(2, BOOKING, NOW)
THEIRS, THEIRS_OVER = held(3, OTHER, LIVE), held(4, OTHER, NOW)
SEAT = replace(claim(1, at(19), at(20), owner=5), booking_id=BOOKING)
BLOCK = claim(1, at(19), at(20), ClaimKind.BLOCK, 6)
CLAIMS = (MINE, MINE_OVER, THEIRS, THEIRS_OVER, SEAT, BLOCK)


def situation_at(now: datetime) -> Situation:
    floor, policy = row(4, 4), evening_policy()
    prepared = PreparedInventory(Inventory(1, 1, floor, policy), TableSets.of(floor, policy.combinations))
    return Situation(Restaurant(RESTAURANT, OTHER, "Place", "UTC", 1, 1, 1, 1), now, prepared)


def test_in_the_way_is_what_is_live_and_somebody_elses() -> None:
    assert foreign(CLAIMS, NOW, BOOKING) == (THEIRS, BLOCK)


def test_a_party_without_a_booking_owns_nothing_not_even_what_is_nobodys() -> None:
    assert foreign(CLAIMS, NOW, None) == (MINE, THEIRS, SEAT, BLOCK)


def test_holds_are_over_from_the_instant_at_which_they_expire() -> None:
    assert expired_holds(CLAIMS, NOW) == (MINE_OVER.owner_id, THEIRS_OVER.owner_id)
    assert own_holds(CLAIMS, NOW, BOOKING) == (MINE.owner_id,)


def test_a_window_is_past_from_its_end_on() -> None:
    window = Window(at(19), at(20))
    situation_at(at(19, 59, 59)).require_future(window)
    with pytest.raises(ServiceError) as caught:
        situation_at(at(20)).require_future(window)
    assert caught.value.reason is Reason.WINDOW_IN_PAST
    assert caught.value.refusal.metadata == {
        "window_end": at(20).isoformat(),
        "now": at(20).isoformat(),
    }


def test_an_etag_has_to_be_the_present_one_if_there_is_any() -> None:
    require_etag("booking", "", "b3")
    require_etag("booking", "b3", "b3")
    with pytest.raises(ServiceError) as caught:
        require_etag("booking", "b2", "b3")
    assert caught.value.reason is Reason.VERSION_MISMATCH


def test_a_stale_context_lists_what_is_in_the_way_by_table_and_time_and_no_more_than_can_be_told() -> None:
    situation = situation_at(NOW)
    mine = booking(BookingStatus.PENDING)
    wanted = situation.select(mine.party, mine.window, (table_id(1), table_id(2)))
    minutes = range(40, 0, -1)
    claims = [claim(number, at(19, each - 1), at(19, each)) for each in minutes for number in (2, 1)]
    with pytest.raises(ServiceError) as caught:
        Candidate(situation, mine, wanted, tuple(claims)).require_context("of another time")
    refusal = caught.value.refusal
    assert refusal.reason is Reason.STALE_CONTEXT
    told = [(conflict.table_id, conflict.window_start) for conflict in refusal.conflicts]
    assert told == [(table_id(1), at(19, each)) for each in range(CONFLICTS_LISTED_MAX + 1)]
