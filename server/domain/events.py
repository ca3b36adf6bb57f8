"""What the world is told about committed changes. No personal data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from server.domain.auto_assign_job import AutoAssignJob
from server.domain.booking import Booking, BookingStatus
from server.domain.claims import Assignment, Block, Hold
from server.domain.limits import CONFLICTS_LISTED_MAX
from server.domain.restaurant import Restaurant
from server.errors import Refusal

_EMAIL = re.compile(r"[^\s@<>,;:\"']+@[^\s@<>,;:\"']+")


class EventType(StrEnum):
    HOLD_CREATED = "capacity.hold.created"
    HOLD_EXTENDED = "capacity.hold.extended"
    HOLD_CONFIRMED = "capacity.hold.confirmed"
    HOLD_RELEASED = "capacity.hold.released"
    HOLD_EXPIRED = "capacity.hold.expired"
    HOLD_STRICT_CONFLICT = "capacity.hold.strict_conflict"
    ASSIGNMENT_SYNC = "capacity.assignment.sync"
    ASSIGNMENT_RELEASED = "capacity.assignment.released"
    BOOKING_CHANGED = "capacity.booking.changed"
    BOOKING_TRANSITIONED = "capacity.booking.transitioned"
    BLOCK_CREATED = "capacity.block.created"
    BLOCK_RELEASED = "capacity.block.released"
    INVENTORY_CHANGED = "capacity.inventory.changed"
    AUTO_ASSIGN_OUTCOME = "capacity.auto_assign.outcome"


# What happened, yet left every floor as it was.
CHANGES_NO_FLOOR = frozenset({EventType.HOLD_STRICT_CONFLICT.value})


@dataclass(frozen=True, slots=True)
class Event:
    """One outbox row in the making. `dedupe_key` names the fact, so that the same fact is enqueued once per tenant.

    Ids that callers choose are unique within a restaurant only, so a key that is made of one names the restaurant, too.
    """

    event_type: EventType
    dedupe_key: str
    payload: Mapping[str, object]
    booking_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class CommittedEvent:
    """One committed fact. `event_id` is what receivers recognise a repeat by; `floor_version` and `position` order the
    events of a restaurant.
    """

    event_id: UUID
    tenant_id: UUID
    restaurant_id: UUID
    floor_version: int
    position: int
    created_at: datetime
    event_type: str
    booking_id: UUID | None
    idempotency_key: str
    payload: Mapping[str, Any]


def without_addresses(actor: str) -> str:
    """The actor in the caller's own word, with e-mail addresses taken out: they are personal data."""
    return _EMAIL.sub("[redacted-email]", actor)


def hold_event(event_type: EventType, hold: Hold, zone_id: UUID | None, actor: str, cause: str = "") -> Event:
    """A change of a hold. It goes through each state once, so type and id name the fact.

    Only its expiry moves more than once, and each time further, so that the expiry is part of the name then.
    """
    extended = event_type is EventType.HOLD_EXTENDED
    return Event(
        event_type,
        f"{hold.hold_id}:{hold.expires_at.isoformat()}" if extended else str(hold.hold_id),
        {
            "holdId": hold.hold_id,
            "bookingId": hold.booking_id,
            "restaurantId": hold.restaurant_id,
            "zoneId": zone_id,
            "tableIds": hold.table_ids,
            "startAt": hold.window.start.isoformat(),
            "endAt": hold.window.end.isoformat(),
            "expiresAt": hold.expires_at.isoformat(),
            "actorId": without_addresses(actor),
            "metadata": {"cause": cause} if cause else {},
        },
        hold.booking_id,
    )


def refused_hold_event(
    refused: Hold, zone_id: UUID | None, actor: str, refusal: Refusal, request_id: UUID
) -> Event:
    """A hold that there would be if nothing were in its way; `refused` has the id that it would have had.

    The ledger sees to it that a repeated request is not told again, for as long as it remembers the request.
    """
    told = hold_event(EventType.HOLD_STRICT_CONFLICT, refused, zone_id, actor, refusal.reason.value)
    conflicts = [
        {
            "tableId": conflict.table_id,
            "kind": conflict.blocker_kind.value,
            "startAt": conflict.window_start.isoformat(),
            "endAt": conflict.window_end.isoformat(),
        }
        for conflict in refusal.conflicts[:CONFLICTS_LISTED_MAX]
    ]
    key = f"{request_id}:{refused.hold_id}"
    return replace(told, dedupe_key=key, payload={**told.payload, "conflicts": conflicts})


def assignment_event(event_type: EventType, assignment: Assignment, revision: int, request_id: UUID) -> Event:
    """What tables a booking has now, or no longer has. The booking's revision makes each change a fact of its own."""
    return Event(
        event_type,
        f"{assignment.assignment_id}:{revision}",
        {
            "bookingId": assignment.booking_id,
            "restaurantId": assignment.restaurant_id,
            "assignmentId": assignment.assignment_id,
            "tableIds": assignment.table_ids,
            "startAt": assignment.window.start.isoformat(),
            "endAt": assignment.window.end.isoformat(),
            "mergeGroupId": assignment.merge_group_id,
            "idempotencyKey": request_id,
        },
        assignment.booking_id,
    )


def booking_event(event_type: EventType, booking: Booking, from_status: BookingStatus | None) -> Event:
    return Event(
        event_type,
        f"{booking.restaurant_id}:{booking.booking_id}:{booking.revision}",
        {
            "bookingId": booking.booking_id,
            "restaurantId": booking.restaurant_id,
            "fromStatus": from_status.value if from_status else None,
            "toStatus": booking.status.value,
            "partySize": booking.party.party_size,
            "startAt": booking.window.start.isoformat(),
            "endAt": booking.window.end.isoformat(),
            "needsTables": booking.needs_tables,
            "revision": booking.revision,
        },
        booking.booking_id,
    )


def block_event(event_type: EventType, block: Block) -> Event:
    return Event(
        event_type,
        str(block.block_id),
        {
            "blockId": block.block_id,
            "restaurantId": block.restaurant_id,
            "tableIds": block.table_ids,
            "startAt": block.window.start.isoformat(),
            "endAt": block.window.end.isoformat(),
            "cause": block.cause.value,
        },
    )


def inventory_event(restaurant: Restaurant, part: str) -> Event:
    """`part` is restaurant, policy or floor; the three versions name the state that came out."""
    versions = (restaurant.revision, restaurant.policy_version, restaurant.inventory_version)
    return Event(
        EventType.INVENTORY_CHANGED,
        f"{restaurant.restaurant_id}:{':'.join(str(version) for version in versions)}",
        {
            "restaurantId": restaurant.restaurant_id,
            "part": part,
            "policyVersion": restaurant.policy_version,
            "inventoryVersion": restaurant.inventory_version,
        },
    )


def auto_assign_event(
    restaurant_id: UUID, booking_id: UUID, job: AutoAssignJob, assignment: Assignment | None = None
) -> Event:
    """How an automatic assignment was decided: with an assignment, or with the reason why there is none.

    A booking gets an assignment once; without one the job's number names the fact, which no other try has.
    """
    return Event(
        EventType.AUTO_ASSIGN_OUTCOME,
        str(assignment.assignment_id) if assignment else f"{restaurant_id}:{booking_id}:{job.run_number}",
        {
            "bookingId": booking_id,
            "restaurantId": restaurant_id,
            "outcome": job.outcome,
            "reason": job.reason,
            "tableIds": assignment.table_ids if assignment else (),
            "attemptCount": job.attempt_count,
            "trigger": job.trigger,
        },
        booking_id,
    )
