"""The contract's messages as the model would write them, and the model as the contract would tell it.

Each pair of functions makes the same dictionary, from a message and from the model.
"""

from collections.abc import Iterable
from typing import Any, TypeAlias

from google.protobuf.timestamp_pb2 import Timestamp

from maitred_client import messages as pb
from tests.model.words import Assignment, Block, Booking, Floor, Hold, Party, Period, Place, Policy, Table

View: TypeAlias = dict[str, Any]


def restaurant_seen(message: pb.Restaurant) -> View:
    return {
        "name": message.name,
        "time_zone": message.time_zone,
        "policy_version": message.policy_version,
        "inventory_version": message.inventory_version,
        "floor_version": message.floor_version,
        "etag": message.etag,
    }


def restaurant_told(place: Place) -> View:
    return {
        "name": place.name,
        "time_zone": place.time_zone,
        "policy_version": place.policy_version,
        "inventory_version": place.inventory_version,
        "floor_version": place.floor_version,
        "etag": f"r{place.revision}",
    }


def policy_read(message: pb.ServicePolicy) -> Policy:
    """Of a policy in which only lead, relaxations and the smallest party of adjacency are left to their defaults."""
    rules = message.combinations
    return Policy(
        tuple(_period_read(period) for period in message.periods),
        message.buffer_before.seconds,
        message.buffer_after.seconds,
        message.slack_max,
        rules.enabled,
        rules.tables_max,
        pb.AdjacencyMode.Name(rules.adjacency_mode).removeprefix("ADJACENCY_MODE_"),
        rules.adjacency_party_size_min,
        message.check_in_lead.seconds if message.HasField("check_in_lead") else None,
        pb.PlanEngine.Name(message.engine).removeprefix("PLAN_ENGINE_"),
        reasons_read(message.relaxations.reasons)
        if message.HasField("relaxations")
        else ("CAPACITY_BELOW_MIN_PARTY",),
    )


def reasons_read(numbers: "Iterable[pb.ErrorReason.ValueType]") -> tuple[str, ...]:
    return tuple(pb.ErrorReason.Name(number).removeprefix("ERROR_REASON_") for number in numbers)


def _period_read(message: pb.ServicePeriod) -> Period:
    return Period(
        message.name,
        _minutes(message.opens),
        _minutes(message.closes),
        message.may_overrun,
        message.shortest_stay.seconds if message.HasField("shortest_stay") else None,
        tuple((turn.party_size_max, turn.duration.seconds) for turn in message.turn_times),
    )


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def floor_read(message: pb.Floor) -> Floor:
    edges = ((edge.table_a, edge.table_b) for edge in message.adjacency)
    return Floor(
        frozenset(zone.zone_id for zone in message.zones),
        {table.table_id: table_read(table) for table in message.tables},
        frozenset((min(edge), max(edge)) for edge in edges),
    )


def table_read(message: pb.Table) -> Table:
    """Of a table in which nothing is left to a default."""
    return Table(
        message.zone_id,
        message.name,
        message.capacity,
        message.min_party,
        message.max_party,
        message.movable,
        tuple(sorted(message.attributes)),
        message.state == pb.TableState.TABLE_STATE_IN_SERVICE,
    )


def party_read(message: pb.PartyRequest) -> Party:
    return Party(
        message.party_size,
        message.start.seconds,
        message.duration.seconds if message.HasField("duration") else None,
        message.zone_id,
        tuple(sorted(message.required_attributes)),
        tuple(sorted(message.preferred_attributes)),
    )


def booking_seen(message: pb.Booking) -> View:
    return {
        "party": party_read(message.party),
        "status": pb.BookingStatus.Name(message.status).removeprefix("BOOKING_STATUS_"),
        "reference": message.reference,
        "window": _window(message),
        "dining_end": instant(message.dining_end),
        "period": message.period,
        "needs_tables": message.needs_tables,
        "revision": message.revision,
        "epoch": message.assignment_epoch,
        "etag": message.etag,
        "checked_in_at": instant(message.checked_in_at),
        "checked_out_at": instant(message.checked_out_at),
        "created_at": instant(message.created_at),
        "updated_at": instant(message.updated_at),
    }


def booking_told(booking: Booking) -> View:
    return {
        "party": booking.party,
        "status": booking.status,
        "reference": booking.reference,
        "window": booking.stay.window,
        "dining_end": booking.stay.dining_end,
        "period": booking.stay.period,
        "needs_tables": booking.needs_tables,
        "revision": booking.revision,
        "epoch": booking.epoch,
        "etag": booking.etag,
        "checked_in_at": booking.checked_in_at,
        "checked_out_at": booking.checked_out_at,
        "created_at": booking.created_at,
        "updated_at": booking.updated_at,
    }


def change_seen(message: pb.BookingChange) -> tuple[Any, ...]:
    """A row of a booking's history: revision, status before and after, who, why, when."""
    before, after = (
        pb.BookingStatus.Name(status).removeprefix("BOOKING_STATUS_")
        for status in (message.from_status, message.to_status)
    )
    changed_at = instant(message.changed_at)
    return (message.revision, before, after, message.actor, message.reason, changed_at)


def hold_seen(message: pb.Hold) -> View:
    return {
        "booking_id": message.booking_id,
        "tables": tuple(message.table_ids),
        "window": _window(message),
        "state": pb.HoldState.Name(message.state).removeprefix("HOLD_STATE_"),
        "expires_at": instant(message.expires_at),
        "created_at": instant(message.created_at),
        "actor": message.actor,
        "policy_version": message.policy_version,
        "inventory_version": message.inventory_version,
        "overrides": reasons_read(message.overrides),
    }


def hold_told(hold: Hold, now: int) -> View:
    return {
        "booking_id": hold.booking_id,
        "tables": hold.tables,
        "window": hold.window,
        "state": hold.state(now),
        "expires_at": hold.expires_at,
        "created_at": hold.created_at,
        "actor": hold.actor,
        "policy_version": hold.policy_version,
        "inventory_version": hold.inventory_version,
        "overrides": hold.overrides,
    }


def assignment_seen(message: pb.Assignment) -> View:
    return {
        "booking_id": message.booking_id,
        "tables": tuple(message.table_ids),
        "window": _window(message),
        "state": pb.AssignmentState.Name(message.state).removeprefix("ASSIGNMENT_STATE_"),
        "merged": message.merge_group_id != "",
        "hold_id": message.hold_id,
        "epoch": message.assignment_epoch,
        "party_size": message.party_size,
        "actor": message.actor,
        "created_at": instant(message.created_at),
        "overrides": reasons_read(message.overrides),
    }


def assignment_told(given: Assignment) -> View:
    return {
        "booking_id": given.booking_id,
        "tables": given.tables,
        "window": given.window,
        "state": given.state,
        "merged": len(given.tables) > 1,
        "hold_id": given.hold_id,
        "epoch": given.epoch,
        "party_size": given.party_size,
        "actor": given.actor,
        "created_at": given.created_at,
        "overrides": given.overrides,
    }


def block_seen(message: pb.Block) -> View:
    return {
        "tables": tuple(message.table_ids),
        "window": _window(message),
        "note": message.note,
        "actor": message.actor,
        "created_at": instant(message.created_at),
        "released": message.released,
    }


def assigned_told(booking: Booking) -> View:
    """The answer of a call after which the booking has tables."""
    assert booking.assignment is not None
    return {"assignment": assignment_told(booking.assignment), "booking": booking_told(booking)}


def block_told(block: Block) -> View:
    return {
        "tables": block.tables,
        "window": block.window,
        "note": block.note,
        "actor": block.actor,
        "created_at": block.created_at,
        "released": block.released,
    }


def instant(message: Timestamp) -> int:
    """Whole seconds; the clock of a run knows nothing finer."""
    assert message.nanos == 0, f"{message} is no instant of this run's clock"
    return message.seconds


def _window(message: Any) -> tuple[int, int]:
    return instant(message.window_start), instant(message.window_end)
