"""Fetches what a floor picture shows: floor, policy, holds, assignments, blocks and bookings of one day."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import groupby
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from maitred_client import AsyncMaitredClient, OutsideServiceHoursError, instant, timestamp
from maitred_client.messages import (
    Assignment,
    AssignmentState,
    Block,
    BlockCause,
    Booking,
    Floor,
    GetFloorRequest,
    GetServicePolicyRequest,
    Hold,
    ListAssignmentsRequest,
    ListBlocksRequest,
    ListBookingsRequest,
    ListHoldsRequest,
    Restaurant,
    ServicePolicy,
    TableState,
)
from server.cli.instants import long_date, zone_of
from server.cli.picture import BarKind, Claim, FloorPicture, TableSpec, draw

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
    zone = zone_of(restaurant)
    restaurant_id = restaurant.restaurant_id
    floor = (await client.get_floor(GetFloorRequest(restaurant_id=restaurant_id))).floor
    opens, closes = open_hours(await _policy(client, restaurant_id), date, zone)
    claims = await _claims(client, restaurant_id, opens, closes)
    title = f"{_printable(restaurant.name)} · {long_date(date)}"
    return draw(title, _tables(floor), claims, opens=opens, closes=closes, now=now)


async def fetch_service_date(client: AsyncMaitredClient, restaurant: Restaurant, now: dt.datetime) -> dt.date:
    """The present service date, see `service_date`. `now` is aware."""
    return service_date(await _policy(client, restaurant.restaurant_id), zone_of(restaurant), now)


def service_date(policy: ServicePolicy, zone: ZoneInfo, now: dt.datetime) -> dt.date:
    """The local date, or the one before it for as long as what opened on that has not closed."""
    today = now.astimezone(zone).date()
    yesterday = today - dt.timedelta(days=1)
    _, closes = open_hours(policy, yesterday, zone)
    return yesterday if now < closes else today


def open_hours(policy: ServicePolicy, date: dt.date, zone: ZoneInfo) -> tuple[dt.datetime, dt.datetime]:
    """From the first opening to the last closing of a local date; the whole day when nothing opens."""
    spans = (
        (_local(date, period.opens, zone), _closing(date, period.opens, period.closes, zone))
        for period in policy.periods
        if not period.days or date.isoweekday() in period.days
    )
    # One that begins in the time that a clock change skips may have no instant left on that date.
    stretches = [(start, end) for start, end in spans if start.timestamp() < end.timestamp()]
    if not stretches:
        return _local(date, "00:00", zone), _local(date, "24:00", zone)
    return min(start for start, _ in stretches), max(end for _, end in stretches)


async def _policy(client: AsyncMaitredClient, restaurant_id: str) -> ServicePolicy:
    """An empty one for a restaurant that has none yet."""
    request = GetServicePolicyRequest(restaurant_id=restaurant_id)
    try:
        return (await client.get_service_policy(request)).policy
    except OutsideServiceHoursError:
        return ServicePolicy()


def _closing(date: dt.date, opens: str, closes: str, zone: ZoneInfo) -> dt.datetime:
    return _local(date if closes > opens else date + dt.timedelta(days=1), closes, zone)


def _local(date: dt.date, clock: str, zone: ZoneInfo) -> dt.datetime:
    hour, minute = map(int, clock.split(":"))
    return dt.datetime.combine(date + dt.timedelta(days=hour // 24), dt.time(hour % 24, minute), zone)


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
