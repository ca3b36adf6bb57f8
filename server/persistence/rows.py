"""Rows of the database as values of the domain."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from server.domain.auto_assign_job import AutoAssignJob
from server.domain.booking import Booking, BookingChange, BookingStatus, Party
from server.domain.claims import (
    Assignment,
    AssignmentState,
    Block,
    BlockCause,
    Claim,
    Hold,
    HoldState,
)
from server.domain.events import CommittedEvent
from server.domain.floor import Floor, Table, Zone
from server.domain.invariants import InvariantCounts, InvariantViolation
from server.domain.policy import ServicePolicy
from server.domain.restaurant import Restaurant
from server.domain.window import Stay, Window
from server.errors import ClaimKind, Reason
from server.orchestrator.diary import Diary
from server.orchestrator.ports import AuditRecord, Inventory, OutboxRecord, OutboxStatus, Standing
from server.outbox.events import OutboxEvent
from server.persistence.documents import decode
from server.persistence.failures import understood
from server.planner.lookahead import Waiting

Row = Mapping[str, Any]


class Prefixed(Mapping[str, Any]):
    """Columns of a row that stands beside others: `prefix` is what their names have in front."""

    def __init__(self, row: Row, prefix: str) -> None:
        self._row = row
        self._prefix = prefix

    def __getitem__(self, column: str) -> Any:
        return self._row[self._prefix + column]

    def __iter__(self) -> Iterator[str]:
        return (name.removeprefix(self._prefix) for name in self._row if name.startswith(self._prefix))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def committed_event(row: Row) -> CommittedEvent:
    return CommittedEvent(**_event_values(row))


def outbox_event(row: Row) -> OutboxEvent:
    return OutboxEvent(**_event_values(row), attempt_count=row["attempt_count"])


def _event_values(row: Row) -> dict[str, Any]:
    return {
        "event_id": row["id"],
        "tenant_id": row["tenant_id"],
        "restaurant_id": row["restaurant_id"],
        "floor_version": row["floor_version"],
        "position": row["position"],
        "created_at": row["created_at"],
        "event_type": row["event_type"],
        "booking_id": row["booking_id"],
        "idempotency_key": row["idempotency_key"],
        "payload": decode(row["payload"], dict[str, Any]),
    }


def window(row: Row) -> Window:
    return Window(row["window_start"], row["window_end"])


def restaurant(row: Row) -> Restaurant:
    return Restaurant(
        row["restaurant_id"],
        row["tenant_id"],
        row["name"],
        row["time_zone"],
        row["revision"],
        row["policy_version"],
        row["inventory_version"],
        row["floor_version"],
    )


def standing(row: Row) -> Standing:
    """A restaurant with the clock beside it."""
    return Standing(restaurant(row), row["now"])


@understood
def inventory(row: Row) -> Inventory:
    return Inventory(
        row["inventory_version"],
        row["policy_version"],
        Floor.of(
            decode(row["zones"], tuple[Zone, ...]),
            decode(row["tables"], tuple[Table, ...]),
            decode(row["adjacency"], tuple[tuple[UUID, UUID], ...]),
        ),
        None if row["policy"] is None else decode(row["policy"], ServicePolicy),
    )


@understood
def booking(row: Row) -> Booking:
    return Booking(
        row["restaurant_id"],
        row["booking_id"],
        Party(
            row["party_size"],
            row["dining_start"],
            row["duration_s"],
            row["zone_id"],
            tuple(row["required_attributes"]),
            tuple(row["preferred_attributes"]),
            tuple(row["preferred_zone_ids"]),
        ),
        Stay(Window(row["dining_start"], row["dining_end"]), window(row), row["period"]),
        BookingStatus(row["status"]),
        row["reference"],
        row["revision"],
        row["assignment_epoch"],
        row["created_at"],
        row["updated_at"],
        row["assignment_id"],
        row["assigned_epoch"],
        row["checked_in_at"],
        row["checked_out_at"],
        None if row["auto_assign_job"] is None else decode(row["auto_assign_job"], AutoAssignJob),
    )


def waiting(row: Row) -> Waiting:
    """A row of `diary` that is a booking."""
    return Waiting(
        row["booking_id"],
        Party(
            row["party_size"],
            row["dining_start"],
            row["duration_s"],
            row["zone_id"],
            tuple(row["required_attributes"]),
        ),
        window(row),
    )


def booking_document(booking: Booking) -> dict[str, object]:
    """A booking as it is now, for `write_changes`."""
    party, stay = booking.party, booking.stay
    return {
        "restaurant_id": booking.restaurant_id,
        "booking_id": booking.booking_id,
        "status": booking.status.value,
        "party_size": party.party_size,
        "dining_start": stay.dining.start,
        "dining_end": stay.dining.end,
        "window_start": stay.window.start,
        "window_end": stay.window.end,
        "period": stay.period,
        "duration_s": party.duration_s,
        "zone_id": party.zone_id,
        "required_attributes": party.required_attributes,
        "preferred_attributes": party.preferred_attributes,
        "preferred_zone_ids": party.preferred_zone_ids,
        "reference": booking.reference,
        "revision": booking.revision,
        "assignment_epoch": booking.assignment_epoch,
        "assignment_id": booking.assignment_id,
        "checked_in_at": booking.checked_in_at,
        "checked_out_at": booking.checked_out_at,
        "created_at": booking.created_at,
        "updated_at": booking.updated_at,
    }


def booking_change_document(booking: Booking, change: BookingChange) -> dict[str, object]:
    """A row of a booking's history, for `write_changes`."""
    return {
        "restaurant_id": booking.restaurant_id,
        "booking_id": booking.booking_id,
        "revision": change.revision,
        "from_status": change.from_status.value if change.from_status else None,
        "to_status": change.to_status.value,
        "actor": change.actor,
        "reason": change.reason,
        "changed_at": change.changed_at,
    }


def claim_document(restaurant_id: UUID, claim: Claim) -> dict[str, object]:
    """A new claim for `write_changes`."""
    return {
        "restaurant_id": restaurant_id,
        "table_id": claim.table_id,
        "window_start": claim.window.start,
        "window_end": claim.window.end,
        "kind": claim.kind.value,
        "owner_id": claim.owner_id,
        "booking_id": claim.booking_id,
        "expires_at": claim.expires_at,
    }


@understood
def booking_change(row: Row) -> BookingChange:
    before = row["from_status"]
    return BookingChange(
        row["revision"],
        None if before is None else BookingStatus(before),
        BookingStatus(row["to_status"]),
        row["actor"],
        row["reason"],
        row["changed_at"],
    )


@understood
def hold(row: Row) -> Hold:
    return Hold(
        row["hold_id"],
        row["restaurant_id"],
        row["booking_id"],
        tuple(row["table_ids"]),
        window(row),
        HoldState(row["state"]),
        row["expires_at"],
        row["created_at"],
        row["actor"],
        row["policy_version"],
        row["inventory_version"],
        row["assignment_epoch"],
        _reasons(row["overrides"]),
    )


def hold_document(hold: Hold) -> dict[str, object]:
    """A new hold for `write_changes`."""
    return {
        "restaurant_id": hold.restaurant_id,
        "hold_id": hold.hold_id,
        "booking_id": hold.booking_id,
        "table_ids": hold.table_ids,
        "window_start": hold.window.start,
        "window_end": hold.window.end,
        "state": hold.state.value,
        "expires_at": hold.expires_at,
        "created_at": hold.created_at,
        "actor": hold.actor,
        "policy_version": hold.policy_version,
        "inventory_version": hold.inventory_version,
        "assignment_epoch": hold.assignment_epoch,
        "overrides": hold.overrides,
    }


@understood
def assignment(row: Row) -> Assignment:
    return Assignment(
        row["assignment_id"],
        row["restaurant_id"],
        row["booking_id"],
        tuple(row["table_ids"]),
        window(row),
        AssignmentState(row["state"]),
        row["assignment_epoch"],
        row["party_size"],
        row["actor"],
        row["created_at"],
        row["merge_group_id"],
        row["hold_id"],
        _reasons(row["overrides"]),
    )


def assignment_document(assignment: Assignment) -> dict[str, object]:
    """A new assignment for `write_changes`."""
    return {
        "restaurant_id": assignment.restaurant_id,
        "assignment_id": assignment.assignment_id,
        "booking_id": assignment.booking_id,
        "table_ids": assignment.table_ids,
        "window_start": assignment.window.start,
        "window_end": assignment.window.end,
        "state": assignment.state.value,
        "assignment_epoch": assignment.assignment_epoch,
        "party_size": assignment.party_size,
        "merge_group_id": assignment.merge_group_id,
        "hold_id": assignment.hold_id,
        "actor": assignment.actor,
        "created_at": assignment.created_at,
        "overrides": assignment.overrides,
    }


def _reasons(names: Iterable[str]) -> tuple[Reason, ...]:
    return tuple(Reason(name) for name in names)


@understood
def block(row: Row) -> Block:
    return Block(
        row["block_id"],
        row["restaurant_id"],
        tuple(row["table_ids"]),
        window(row),
        BlockCause(row["cause"]),
        row["note"],
        row["released"],
        row["actor"],
        row["created_at"],
    )


@understood
def claim(row: Row) -> Claim:
    return Claim(
        row["table_id"],
        window(row),
        ClaimKind(row["kind"]),
        row["owner_id"],
        row["booking_id"],
        row["expires_at"],
    )


def diary(span: Window, entries: Sequence[Row]) -> Diary:
    """All rows of `diary`, of which there is at least one: claims have a kind, bookings have none."""
    claims = tuple(claim(row) for row in entries if row["kind"] is not None)
    bookings = tuple(waiting(row) for row in entries if row["kind"] is None and row["booking_id"] is not None)
    return Diary(entries[0]["floor_version"], span, claims, bookings)


def audit_record(row: Row) -> AuditRecord:
    return AuditRecord(
        row["audit_id"],
        row["floor_version"],
        row["occurred_at"],
        row["actor"],
        row["action"],
        row["resource"],
        row["resource_id"],
        row["reason"],
        decode(row["details"], dict[str, Any]),
    )


def invariant_violation(row: Row) -> InvariantViolation:
    """A row of a check, without the number of all its rows. It has columns of the ids that the check can tell."""
    return InvariantViolation(
        row["message"],
        row.get("restaurant_id"),
        row.get("booking_id"),
        row.get("hold_id"),
        row.get("assignment_id"),
        row.get("block_id"),
        tuple(row.get("table_ids", ())),
    )


def invariant_counts(row: Row) -> InvariantCounts:
    return InvariantCounts(
        row["restaurants"],
        row["bookings"],
        row["holds"],
        row["assignments"],
        row["blocks"],
        row["claims"],
        row["events"],
        row["audit_entries"],
    )


@understood
def outbox_record(row: Row) -> OutboxRecord:
    return OutboxRecord(
        row["id"],
        row["restaurant_id"],
        row["event_type"],
        OutboxStatus(row["status"]),
        row["floor_version"],
        row["position"],
        row["attempt_count"],
        row["last_error"] or "",
        row["created_at"],
        row["updated_at"],
        row["booking_id"],
        row["idempotency_key"],
        decode(row["payload"], dict[str, Any]),
        row["redriven_at"],
    )
