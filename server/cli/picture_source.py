"""Fetches what a floor picture shows: floor, policy, holds, assignments, blocks and bookings of one day."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import groupby
from typing import Any, TypeVar

from maitred_client import AsyncMaitredClient, instant, timestamp
from maitred_client.messages import (
    Assignment,
    AssignmentState,
    Block,
    BlockCause,
    Booking,
    Floor,
    GetFloorRequest,
    Hold,
    ListAssignmentsRequest,
    ListBlocksRequest,
    ListBookingsRequest,
    ListHoldsRequest,
    Restaurant,
    TableState,
)
from server.cli.instants import long_date
from server.cli.picture import BarKind, Claim, FloorPicture, TableSpec, draw
from server.cli.service_hours import fetch_hours

ItemT = TypeVar("ItemT")

PAGE_SIZE = 500
LABEL_LENGTH_MAX = 8

_BLOCK_WORDS = {
    BlockCause.BLOCK_CAUSE_MAINTENANCE: "maintenance",
    BlockCause.BLOCK_CAUSE_PRIVATE_EVENT: "event",
}


async def fetch_picture(
    client: AsyncMaitredClient, restaurant: Restaurant, date: dt.date, now: dt.datetime
) -> FloorPicture:
    """The picture of a local date. `now` is aware; it is drawn when it lies within the picture."""
    restaurant_id = restaurant.restaurant_id
    floor = (await client.get_floor(GetFloorRequest(restaurant_id=restaurant_id))).floor
    opens, closes = await fetch_hours(client, restaurant, date)
    claims = await _claims(client, restaurant_id, opens, closes)
    title = f"{_printable(restaurant.name)} · {long_date(date)}"
    return draw(title, _tables(floor), claims, opens=opens, closes=closes, now=now)


def _tables(floor: Floor) -> tuple[TableSpec, ...]:
    zones = {zone.zone_id: zone for zone in floor.zones}
    ordered = sorted(
        floor.tables,
        key=lambda table: (
            zones[table.zone_id].sort_order,
            zones[table.zone_id].name,
            natural_key(table.name),
        ),
    )
    return tuple(
        TableSpec(
            table.table_id,
            _printable(table.name),
            _printable(zones[table.zone_id].name),
            table.capacity,
            table.movable,
            table.state != TableState.TABLE_STATE_OUT_OF_SERVICE,
        )
        for table in ordered
    )


def natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """Orders T2 before T10: runs of digits compare as numbers, the rest as text."""
    runs = ("".join(run) for _, run in groupby(name, str.isdecimal))
    return tuple((int(run), "") if run.isdecimal() else (-1, run.casefold()) for run in runs)


async def _claims(
    client: AsyncMaitredClient, restaurant_id: str, opens: dt.datetime, closes: dt.datetime
) -> list[Claim]:
    wanted: dict[str, Any] = {
        "restaurant_id": restaurant_id,
        "window_start": timestamp(opens),
        "window_end": timestamp(closes),
        "page_size": PAGE_SIZE,
    }
    held, assigned, blocked, booked = await asyncio.gather(
        _all(client.iterate_holds(ListHoldsRequest(**wanted))),
        _all(client.iterate_assignments(ListAssignmentsRequest(**wanted))),
        _all(client.iterate_blocks(ListBlocksRequest(**wanted))),
        _all(client.iterate_bookings(ListBookingsRequest(**wanted))),
    )
    by_id = {booking.booking_id: booking for booking in booked}
    return [
        *(_of_hold(hold, by_id.get(hold.booking_id)) for hold in held),
        *(
            _of_assignment(item, by_id.get(item.booking_id))
            for item in assigned
            if not _left_before(item, by_id.get(item.booking_id))
        ),
        *map(_of_block, blocked),
    ]


async def _all(items: AsyncIterator[ItemT]) -> list[ItemT]:
    return [item async for item in items]


def _of_hold(hold: Hold, booking: Booking | None) -> Claim:
    start, end = instant(hold.window_start), instant(hold.window_end)
    party = booking.party.party_size if booking is not None else 0
    return Claim(
        BarKind.HOLD,
        tuple(hold.table_ids),
        start,
        end,
        _label(hold.booking_id, booking),
        party,
        *_stay(booking, start, end),
    )


def _left_before(assignment: Assignment, booking: Booking | None) -> bool:
    """Whether the party left before its window began: then the tables are free in all of it."""
    if booking is None or not booking.HasField("checked_out_at"):
        return False
    return instant(booking.checked_out_at) <= instant(assignment.window_start)


def _of_assignment(assignment: Assignment, booking: Booking | None) -> Claim:
    start, end = instant(assignment.window_start), instant(assignment.window_end)
    completed = assignment.state == AssignmentState.ASSIGNMENT_STATE_COMPLETED
    return Claim(
        BarKind.COMPLETED if completed else BarKind.ASSIGNMENT,
        tuple(assignment.table_ids),
        start,
        end,
        _label(assignment.booking_id, booking),
        assignment.party_size,
        *_stay(booking, start, end),
    )


def _of_block(block: Block) -> Claim:
    words = _printable(block.note) or _BLOCK_WORDS.get(block.cause, "blocked")
    return Claim(
        BarKind.BLOCK,
        tuple(block.table_ids),
        instant(block.window_start),
        instant(block.window_end),
        words[: 3 * LABEL_LENGTH_MAX],
    )


def _stay(
    booking: Booking | None, start: dt.datetime, end: dt.datetime
) -> tuple[dt.datetime | None, dt.datetime | None]:
    """When the party sits, unless the booking has meanwhile moved to a time that these tables were not given for."""
    if booking is None or (instant(booking.window_start), instant(booking.window_end)) != (start, end):
        return None, None
    return instant(booking.party.start), instant(booking.dining_end)


def _label(booking_id: str, booking: Booking | None) -> str:
    reference = _printable(booking.reference) if booking is not None else ""
    return reference[:LABEL_LENGTH_MAX] or booking_id[:4]


def _printable(text: str) -> str:
    """Without what would move the cursor or garble the screen."""
    return "".join(character if character.isprintable() else "?" for character in text)


def table_ids_by_name(floor: Floor, names: Iterable[str]) -> Sequence[str]:
    """Ids of tables given by name, whatever the case, or by id. Raises ValueError naming the unknown ones."""
    known = {table.name.casefold(): table.table_id for table in floor.tables}
    known |= {table.table_id: table.table_id for table in floor.tables}
    wanted = [name.strip() for name in names if name.strip()]
    unknown = [name for name in wanted if name.casefold() not in known]
    if unknown:
        listed = ", ".join(sorted((table.name for table in floor.tables), key=natural_key))
        raise ValueError(f"no such table: {', '.join(unknown)}; there are: {listed}")
    return [known[name.casefold()] for name in wanted]
