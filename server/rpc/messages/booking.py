"""Bookings and what parties want."""

from maitred.v1 import booking_pb2, booking_service_pb2
from server.domain.auto_assign_job import AutoAssignJob, JobOutcome, JobState, Trigger
from server.domain.booking import Booking, BookingAction, BookingChange, BookingStatus, Party
from server.domain.limits import (
    LIST_WINDOW_MAX_S,
    PREFERRED_ZONES_MAX,
    REFERENCE_LENGTH_MAX,
    STAY_MAX_S,
    STAY_MIN_S,
    TEXT_LENGTH_MAX,
)
from server.orchestrator.paging import Listed
from server.orchestrator.put_booking import PutBookingCommand
from server.orchestrator.read_bookings import BookingFound, BookingQuestion, BookingsQuestion
from server.orchestrator.transition_booking import TransitionBookingCommand
from server.rpc.fields import Fields, reading
from server.rpc.messages.checks import reason_message
from server.rpc.messages.enums import numbers, words_of
from server.rpc.messages.time import duration_message, instant_message, set_instant
from server.rpc.page_token import ListKey, page_token

STATUSES = numbers(BookingStatus, booking_pb2.BookingStatus)
STATUSES_READ = words_of(STATUSES)
JOB_STATES = numbers(JobState, booking_pb2.AutoAssignJobState)
JOB_OUTCOMES = numbers(JobOutcome, booking_pb2.AutoAssignJobOutcome)
JOB_TRIGGERS = numbers(Trigger, booking_pb2.AutoAssignTrigger)
ACTIONS_READ = words_of(numbers(BookingAction, booking_pb2.BookingAction))


def read_party(fields: Fields) -> Party:
    return Party(
        party_size=fields.party_size("party_size"),
        start=fields.whole_second("start"),
        duration_s=fields.optional_seconds("duration", STAY_MIN_S, STAY_MAX_S),
        zone_id=fields.optional_uuid("zone_id"),
        required_attributes=fields.attributes("required_attributes"),
        preferred_attributes=fields.attributes("preferred_attributes"),
        preferred_zone_ids=tuple(sorted(fields.uuids("preferred_zone_ids", PREFERRED_ZONES_MAX))),
    )


def read_put_booking(request: booking_service_pb2.PutBookingRequest) -> PutBookingCommand:
    with reading(request) as fields:
        return PutBookingCommand(
            request_id=fields.request_id(),
            actor=fields.actor(),
            restaurant_id=fields.uuid("restaurant_id"),
            booking_id=fields.uuid("booking_id"),
            party=read_party(fields.message("party")),
            reference=fields.text("reference", REFERENCE_LENGTH_MAX),
            etag=fields.token("etag"),
        )


def read_get_booking(request: booking_service_pb2.GetBookingRequest) -> BookingQuestion:
    with reading(request) as fields:
        return BookingQuestion(fields.uuid("restaurant_id"), fields.uuid("booking_id"))


def read_list_bookings(request: booking_service_pb2.ListBookingsRequest) -> BookingsQuestion:
    with reading(request) as fields:
        return BookingsQuestion(
            fields.uuid("restaurant_id"),
            fields.window("window_start", "window_end", LIST_WINDOW_MAX_S),
            fields.page(ListKey.BOOKINGS),
            fields.choices("statuses", STATUSES_READ),
        )


def read_transition_booking(
    request: booking_service_pb2.TransitionBookingRequest,
) -> TransitionBookingCommand:
    with reading(request) as fields:
        return TransitionBookingCommand(
            request_id=fields.request_id(),
            actor=fields.actor(),
            restaurant_id=fields.uuid("restaurant_id"),
            booking_id=fields.uuid("booking_id"),
            action=fields.choice("action", ACTIONS_READ),
            etag=fields.token("etag"),
            reason=fields.text("reason", TEXT_LENGTH_MAX),
        )


def party_message(party: Party) -> booking_pb2.PartyRequest:
    message = booking_pb2.PartyRequest(
        party_size=party.party_size,
        start=instant_message(party.start),
        zone_id=str(party.zone_id) if party.zone_id else "",
        required_attributes=party.required_attributes,
        preferred_attributes=party.preferred_attributes,
        preferred_zone_ids=[str(zone_id) for zone_id in party.preferred_zone_ids],
    )
    if party.duration_s is not None:
        message.duration.CopyFrom(duration_message(party.duration_s))
    return message


def booking_message(booking: Booking) -> booking_pb2.Booking:
    message = booking_pb2.Booking(
        restaurant_id=str(booking.restaurant_id),
        booking_id=str(booking.booking_id),
        party=party_message(booking.party),
        status=STATUSES[booking.status],
        reference=booking.reference,
        window_start=instant_message(booking.window.start),
        window_end=instant_message(booking.window.end),
        dining_end=instant_message(booking.stay.dining.end),
        period=booking.stay.period,
        needs_tables=booking.needs_tables,
        revision=booking.revision,
        assignment_epoch=booking.assignment_epoch,
        etag=booking.etag,
        created_at=instant_message(booking.created_at),
        updated_at=instant_message(booking.updated_at),
    )
    if booking.checked_in_at is not None:
        set_instant(message.checked_in_at, booking.checked_in_at)
    if booking.checked_out_at is not None:
        set_instant(message.checked_out_at, booking.checked_out_at)
    if booking.auto_assign_job is not None:
        message.auto_assign_job.CopyFrom(_job_message(booking.auto_assign_job, booking.is_queued))
    return message


def _job_message(job: AutoAssignJob, goes_on: bool) -> booking_pb2.AutoAssignJob:
    """A booking that got its tables in another way, or was called off, is not waited for any more."""
    message = booking_pb2.AutoAssignJob(
        state=JOB_STATES[job.state if goes_on else JobState.ENDED], attempt_count=job.attempt_count
    )
    if goes_on and job.next_attempt_at is not None:
        set_instant(message.next_attempt_at, job.next_attempt_at)
    if job.cutoff_s is not None:
        message.cutoff.CopyFrom(duration_message(job.cutoff_s))
    if job.outcome is not None and job.trigger is not None and job.decided_at is not None:
        message.outcome = JOB_OUTCOMES[job.outcome]
        message.trigger = JOB_TRIGGERS[job.trigger]
        set_instant(message.decided_at, job.decided_at)
    if job.reason is not None:
        message.reason = reason_message(job.reason)
    return message


def change_message(change: BookingChange) -> booking_pb2.BookingChange:
    return booking_pb2.BookingChange(
        revision=change.revision,
        from_status=(
            STATUSES[change.from_status] if change.from_status else booking_pb2.BOOKING_STATUS_UNSPECIFIED
        ),
        to_status=STATUSES[change.to_status],
        actor=change.actor,
        reason=change.reason,
        changed_at=instant_message(change.changed_at),
    )


def get_booking_response(found: BookingFound) -> booking_service_pb2.GetBookingResponse:
    return booking_service_pb2.GetBookingResponse(
        booking=booking_message(found.booking), history=map(change_message, found.history)
    )


def list_bookings_response(listed: Listed[Booking]) -> booking_service_pb2.ListBookingsResponse:
    return booking_service_pb2.ListBookingsResponse(
        bookings=map(booking_message, listed.rows),
        next_page_token=page_token(ListKey.BOOKINGS, listed.next_after),
    )
