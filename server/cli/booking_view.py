"""A booking as people read it on a terminal."""

import datetime as dt
from collections.abc import Iterable, Iterator

from maitred_client import instant
from maitred_client.messages import (
    Assignment,
    AutoAssignJob,
    AutoAssignJobOutcome,
    AutoAssignJobState,
    AutoAssignTrigger,
    Block,
    Booking,
    BookingChange,
    BookingStatus,
    ErrorReason,
    Floor,
    Hold,
)
from maitred_client.values import enum_word
from server.cli.claim_view import table_names, window_of
from server.cli.wording import counted, told

NEEDED = "needed"


def booking_facts(seen: Booking, zone: dt.tzinfo, tables: str) -> Iterator[tuple[str, object]]:
    """Names and values; `tables` is what `seat_words` says, or what takes its place."""
    yield "booking", f"{seen.booking_id} is {told(BookingStatus, seen.status)}"
    if seen.reference:
        yield "reference", seen.reference
    yield "party", seen.party.party_size
    yield "window", window_of(seen, zone)
    yield "tables", tables
    if seen.HasField("auto_assign_job"):
        yield from _job_facts(seen.auto_assign_job, zone)


def seat_words(seen: Booking, given: Assignment | None, floor: Floor) -> str:
    """Where the booking sits, by name. While a changed booking needs tables it keeps those it had before."""
    if given is None:
        return NEEDED if seen.needs_tables else "none"
    tables = named(given, floor)
    return f"{NEEDED}; keeps {tables} until it has them" if seen.needs_tables else tables


def named(claim: Hold | Assignment | Block, floor: Floor) -> str:
    """Its tables by name."""
    return " + ".join(sorted(table_names(claim, floor)))


def history_facts(changes: Iterable[BookingChange], zone: dt.tzinfo) -> Iterator[tuple[str, object]]:
    """When, and what was done by whom."""
    for change in changes:
        at = f"{instant(change.changed_at).astimezone(zone):%a %Y-%m-%d %H:%M:%S}"
        why = f", {change.reason}" if change.reason else ""
        yield at, f"{told(BookingStatus, change.to_status)} by {change.actor}{why}"


def _job_facts(job: AutoAssignJob, zone: dt.tzinfo) -> Iterator[tuple[str, object]]:
    state = told(AutoAssignJobState, job.state)
    if job.HasField("next_attempt_at"):
        state = (
            f"{state}, next try at {instant(job.next_attempt_at).astimezone(zone):%a %Y-%m-%d %H:%M:%S %Z}"
        )
    yield "auto-assign", state
    if job.outcome:
        outcome = told(AutoAssignJobOutcome, job.outcome)
        trigger = told(AutoAssignTrigger, job.trigger)
        why = f": {enum_word(ErrorReason, job.reason)}" if job.reason else ""
        at = f"{instant(job.decided_at).astimezone(zone):%a %Y-%m-%d %H:%M:%S %Z}"
        tries = counted(job.attempt_count, "try", "tries")
        yield "decided", f"{outcome}{why} ({trigger}, {at}, {tries})"
