"""A booking and its life."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from server.domain.auto_assign_job import AutoAssignJob, JobState
from server.domain.hours import local_time
from server.domain.window import Stay, Window
from server.errors import Reason, ServiceError, refuse


class BookingStatus(StrEnum):
    PENDING = "pending"
    PENDING_ALLOCATION = "pending_allocation"
    CONFIRMED = "confirmed"
    CHECKED_IN = "checked_in"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"


class BookingAction(StrEnum):
    """A step that a caller can ask for. Getting and losing tables are use cases of their own."""

    QUEUE = "queue"
    CHECK_IN = "check_in"
    COMPLETE = "complete"
    CANCEL = "cancel"
    NO_SHOW = "no_show"
    UNDO_NO_SHOW = "undo_no_show"


_S, _A = BookingStatus, BookingAction

TRANSITIONS: Mapping[BookingStatus, Mapping[BookingAction, BookingStatus]] = {
    _S.PENDING: {_A.QUEUE: _S.PENDING_ALLOCATION, _A.CANCEL: _S.CANCELLED},
    _S.PENDING_ALLOCATION: {_A.CANCEL: _S.CANCELLED},
    _S.CONFIRMED: {_A.CHECK_IN: _S.CHECKED_IN, _A.CANCEL: _S.CANCELLED, _A.NO_SHOW: _S.NO_SHOW},
    _S.CHECKED_IN: {_A.COMPLETE: _S.COMPLETED, _A.NO_SHOW: _S.NO_SHOW},
    _S.COMPLETED: {},
    _S.CANCELLED: {},
    _S.NO_SHOW: {_A.UNDO_NO_SHOW: _S.CONFIRMED},
}

AWAITING_TABLES = frozenset({_S.PENDING, _S.PENDING_ALLOCATION})
SEATED_OR_CONFIRMED = frozenset({_S.CONFIRMED, _S.CHECKED_IN})
ASSIGNABLE = AWAITING_TABLES | {_S.CONFIRMED}


@dataclass(frozen=True, slots=True)
class Party:
    """What a party wants: the part of a booking that planning reads.

    `duration_s` replaces the policy's turn time. `zone_id` and `required_attributes` are hard, `preferred_attributes`
    and `preferred_zone_ids` only rank. Attributes and zones are sorted and unique.
    """

    party_size: int
    start: datetime
    duration_s: int | None = None
    zone_id: UUID | None = None
    required_attributes: tuple[str, ...] = ()
    preferred_attributes: tuple[str, ...] = ()
    preferred_zone_ids: tuple[UUID, ...] = ()

    @property
    def duration(self) -> timedelta | None:
        return None if self.duration_s is None else timedelta(seconds=self.duration_s)

    def needs_same_tables_as(self, other: "Party") -> bool:
        """Whether tables given to one are right for the other: everything is equal but the preferences."""
        mine = (self.party_size, self.start, self.duration_s, self.zone_id, self.required_attributes)
        theirs = (other.party_size, other.start, other.duration_s, other.zone_id, other.required_attributes)
        return mine == theirs


@dataclass(frozen=True, slots=True)
class Booking:
    """A party that wants a window. `assignment_id` and `assigned_epoch` describe its active assignment, if any.

    `auto_assign_job` is what the worker does for it, or did last.
    """

    restaurant_id: UUID
    booking_id: UUID
    party: Party
    stay: Stay
    status: BookingStatus
    reference: str
    revision: int
    assignment_epoch: int
    created_at: datetime
    updated_at: datetime
    assignment_id: UUID | None = None
    assigned_epoch: int | None = None
    checked_in_at: datetime | None = None
    checked_out_at: datetime | None = None
    auto_assign_job: AutoAssignJob | None = None

    @property
    def etag(self) -> str:
        return f"b{self.revision}"

    @property
    def window(self) -> Window:
        return self.stay.window

    @property
    def has_current_tables(self) -> bool:
        """Whether it has tables that were given for its present time and party."""
        return self.assignment_id is not None and self.assigned_epoch == self.assignment_epoch

    @property
    def needs_tables(self) -> bool:
        return self.status in ASSIGNABLE and not self.has_current_tables

    @property
    def is_queued(self) -> bool:
        """Whether the worker looks for tables for it, or will once there may be some.

        Whoever hands a booking over takes it out of pending. One that is pending again was taken back: its tables were
        given to it and taken away before the worker came to it.
        """
        job = self.auto_assign_job
        handed_over = job is not None and job.state is not JobState.ENDED
        return self.needs_tables and handed_over and self.status is not BookingStatus.PENDING


@dataclass(frozen=True, slots=True)
class BookingChange:
    """One row of a booking's history."""

    revision: int
    from_status: BookingStatus | None
    to_status: BookingStatus
    actor: str
    reason: str
    changed_at: datetime


def next_status(booking: Booking, action: BookingAction) -> BookingStatus:
    """The status after `action`, or INVALID_STATE_TRANSITION with the actions that are allowed.

    A changed booking cannot check in on tables that were given for its earlier time or party: they would be somebody
    else's while the party sits there.
    """
    allowed = allowed_actions(booking)
    if action in allowed:
        return allowed[action]
    raise wrong_status(booking, action.value)


def allowed_actions(booking: Booking) -> Mapping[BookingAction, BookingStatus]:
    """The steps that the booking can take now, and where they lead."""
    steps = TRANSITIONS[booking.status]
    if not booking.needs_tables:
        return steps
    return {action: status for action, status in steps.items() if action is not BookingAction.CHECK_IN}


def require_check_in_time(booking: Booking, lead: timedelta | None, now: datetime, time_zone: str) -> None:
    """INVALID_STATE_TRANSITION while it is earlier than `lead` before the party's start; no lead means any time."""
    if lead is None or now >= booking.party.start - lead:
        return
    allowed_from = booking.party.start - lead
    actions = [action for action in allowed_actions(booking) if action is not BookingAction.CHECK_IN]
    raise refuse(
        Reason.INVALID_STATE_TRANSITION,
        f"It is too early to check in; it is allowed from {local_time(allowed_from, time_zone)}. "
        f"Allowed actions: {', '.join(actions)}.",
        booking_id=booking.booking_id,
        current_status=booking.status,
        action=BookingAction.CHECK_IN,
        allowed_actions=",".join(actions),
        allowed_from=allowed_from.isoformat(),
    )


def require_assignable(booking: Booking) -> None:
    """Raises unless tables may be held for or assigned to the booking now."""
    if booking.status not in ASSIGNABLE:
        raise wrong_status(booking, "assign tables")
    if booking.has_current_tables:
        raise refuse(
            Reason.BOOKING_ALREADY_ASSIGNED,
            "The booking already has tables for its present time and party.",
            booking_id=booking.booking_id,
            assignment_id=booking.assignment_id,
        )


def require_handed_over(booking: Booking) -> None:
    """INVALID_STATE_TRANSITION when nobody leaves the booking to the worker any more."""
    if booking.status is BookingStatus.PENDING:
        raise wrong_status(booking, "be assigned in the background")


def require_before_cutoff(booking: Booking, cutoff_s: int | None, now: datetime, time_zone: str) -> None:
    """CUTOFF_PASSED when the party sits down sooner than `cutoff_s` seconds from now."""
    start = booking.party.start
    if cutoff_s is not None and now > start - timedelta(seconds=cutoff_s):
        raise refuse(
            Reason.CUTOFF_PASSED,
            f"The party sits down at {local_time(start, time_zone)}, less than {cutoff_s} s from now, "
            f"{local_time(now, time_zone)}.",
            start=start.isoformat(),
            cutoff_s=cutoff_s,
            now=now.isoformat(),
        )


def wrong_status(booking: Booking, action: str) -> ServiceError:
    actions = allowed_actions(booking)
    moved = (
        " and needs tables for its present time and party"
        if booking.needs_tables and booking.assignment_id
        else ""
    )
    return refuse(
        Reason.INVALID_STATE_TRANSITION,
        f"A booking that is {booking.status}{moved} cannot {action.replace('_', ' ')}; allowed actions: "
        f"{', '.join(actions) or 'none'}.",
        booking_id=booking.booking_id,
        current_status=booking.status,
        action=action,
        allowed_actions=",".join(actions),
        allowed_from="",
    )
