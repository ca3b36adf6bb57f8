"""Whether moving one other booking to other tables would make room for a party."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import NamedTuple
from uuid import UUID

from server.domain.booking import Booking, BookingStatus
from server.domain.claims import Claim
from server.planner.merges import as_mask, positions
from server.planner.plan import Question, sets_that_would_do
from server.planner.some_sets import SomeSets
from server.planner.timeline import Timeline


class InTheWay(NamedTuple):
    """Tables taken in a window: as a mask those that stay so, and by position the one booking that has the others."""

    fixed: int
    booking_of: Mapping[int, UUID]


def movable(bookings: Iterable[Booking], now: datetime) -> tuple[Booking, ...]:
    """The bookings that can be moved without anybody standing up: confirmed, on their tables, not yet begun."""
    return tuple(
        booking
        for booking in bookings
        if booking.status is BookingStatus.CONFIRMED
        and booking.has_current_tables
        and booking.window.start > now
    )


def moving_one_would_help(question: Question, bookings: Sequence[Booking], live: Sequence[Claim]) -> bool:
    """Whether giving one of the bookings another set, legal and free for it, frees a set for the question's party.

    Meant for questions without a plan. `live` are all live claims, those of the party itself included, with none
    missing that touches the window of a booking. A booking that moves gives up its tables and its holds.
    """
    around = _in_the_way(question, {booking.booking_id for booking in bookings})
    wanted = _wanted(sets_that_would_do(question), around)
    movers = [booking for booking in bookings if booking.booking_id in wanted]
    owners = Timeline.of(question.sets, live).owners_within(booking.window for booking in movers)
    return any(
        _can_make_room(
            question, booking, wanted[booking.booking_id], owners[booking.window].but(booking.booking_id)
        )
        for booking in movers
    )


def _in_the_way(question: Question, movable_ids: set[UUID]) -> InTheWay:
    owners: dict[int, set[UUID | None]] = {}
    for claim in question.claims:
        position = question.sets.position_of.get(claim.table_id.int)
        if position is not None and claim.window.overlaps(question.stay.window):
            owner = claim.booking_id if claim.booking_id in movable_ids else None
            owners.setdefault(position, set()).add(owner)
    booking_of = {
        at: owner for at, ids in owners.items() if len(ids) == 1 for owner in ids if owner is not None
    }
    return InTheWay(as_mask(at for at in owners if at not in booking_of), booking_of)


def _wanted(sets: SomeSets, around: InTheWay) -> dict[UUID, list[int]]:
    """For each booking the sets that it alone keeps from being free."""
    movable_mask = as_mask(around.booking_of)
    wanted: dict[UUID, list[int]] = {}
    masks = chain((1 << at for at in positions(sets.singles)), (merge.mask for merge in sets.picked()))
    for mask in masks:
        if not mask & around.fixed:
            owners = {around.booking_of[at] for at in positions(mask & movable_mask)}
            if len(owners) == 1:
                wanted.setdefault(owners.pop(), []).append(mask)
    return wanted


def _can_make_room(question: Question, booking: Booking, wanted: Iterable[int], busy: int) -> bool:
    """Whether the booking has a set without busy tables beside one of the wanted ones."""
    free = question.sets.shortlist(booking.party, question.policy.slack_max).fitting.without(busy)
    return any(free.without(mask).first() for mask in wanted)
