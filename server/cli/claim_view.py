"""Holds and assignments as people read them on a terminal."""

from collections.abc import Mapping
from datetime import tzinfo

from maitred_client import instant
from maitred_client.messages import (
    Assignment,
    Block,
    Booking,
    BookingStatus,
    Floor,
    Hold,
    HoldState,
    Restaurant,
)
from server.cli.instants import told_window, zone_shown
from server.cli.output import facts, show
from server.cli.overriding import reason_names
from server.cli.wording import told


def show_hold(held: Hold, floor: Floor, restaurant: Restaurant) -> None:
    zone = zone_shown(restaurant)
    state = told(HoldState, held.state)
    expires = instant(held.expires_at).astimezone(zone)
    show(
        facts(
            (
                ("hold", f"{held.hold_id} is {state}"),
                ("booking", held.booking_id),
                ("tables", " + ".join(table_names(held, floor))),
                ("window", window_of(held, zone)),
                ("expires", f"{expires:%H:%M:%S %Z}"),
                *_overridden(held),
            )
        )
    )


def show_assignment(
    assignment: Assignment, status: "BookingStatus.ValueType", floor: Floor, restaurant: Restaurant
) -> None:
    """`status` is that of the booking."""
    show(
        facts(
            (
                ("assignment", assignment.assignment_id),
                ("booking", f"{assignment.booking_id} is {told(BookingStatus, status)}"),
                ("tables", " + ".join(table_names(assignment, floor))),
                ("party", assignment.party_size),
                ("window", window_of(assignment, zone_shown(restaurant))),
                *_overridden(assignment),
            )
        )
    )


def _overridden(claim: Hold | Assignment) -> list[tuple[str, str]]:
    return [("overrides", reason_names(claim.overrides))] if claim.overrides else []


def table_names(claim: Hold | Assignment | Block, floor: Floor) -> list[str]:
    """The names of its tables, and ids of those that are no longer on the floor."""
    names: Mapping[str, str] = {table.table_id: table.name for table in floor.tables}
    return [names.get(table, table) for table in claim.table_ids]


def window_of(stay: Hold | Assignment | Booking, zone: tzinfo) -> str:
    start, end = (instant(each).astimezone(zone) for each in (stay.window_start, stay.window_end))
    return told_window(start, end)
