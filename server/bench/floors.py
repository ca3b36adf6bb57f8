"""Restaurants for measurements, made and used through the client."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from uuid import uuid4

from maitred_client import AsyncMaitredClient, duration, timestamp
from maitred_client.messages import (
    Adjacency,
    CombinationPolicy,
    ConfirmHoldRequest,
    Floor,
    HoldTablesRequest,
    PartyRequest,
    PlanTablesRequest,
    PutBookingRequest,
    PutFloorRequest,
    PutRestaurantRequest,
    PutServicePolicyRequest,
    Restaurant,
    ServicePeriod,
    ServicePolicy,
    Table,
    TurnTime,
    Zone,
)

ZONE_TABLES = 12
CAPACITIES = (2, 2, 4, 4, 4, 6)
# Sizes of the parties that plans are asked for, in turns.
PARTIES = (2, 4, 2, 5, 3, 6)
STAY = dt.timedelta(hours=2)
SEATINGS = 6
OPENS, CLOSES, FIRST_SEATING = "10:00", "23:00", dt.time(10)
DAYS_AHEAD = 2
HOLD_TTL = dt.timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Seat:
    """A table, and a time at which nobody else wants it."""

    table_id: str
    start: dt.datetime


@dataclass(frozen=True, slots=True)
class House:
    """One restaurant. Every seating lasts two hours; one follows the other without a gap."""

    client: AsyncMaitredClient
    restaurant_id: str
    table_ids: tuple[str, ...]

    def seats(self) -> Iterator[Seat]:
        """Table by table, seating by seating, day after day, without end."""
        day = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=DAYS_AHEAD)
        while True:
            opening = dt.datetime.combine(day, FIRST_SEATING, dt.UTC)
            for seating in range(SEATINGS):
                for table_id in self.table_ids:
                    yield Seat(table_id, opening + seating * STAY)
            day += dt.timedelta(days=1)

    async def book(self, start: dt.datetime, party_size: int = 2) -> str:
        """A booking, which is one change with one event; its id."""
        booking_id = str(uuid4())
        party = PartyRequest(party_size=party_size, start=timestamp(start))
        await self.client.put_booking(
            PutBookingRequest(restaurant_id=self.restaurant_id, booking_id=booking_id, party=party)
        )
        return booking_id

    async def hold(self, seat: Seat) -> ConfirmHoldRequest:
        """A booking that holds a table, and the request that confirms it."""
        booking_id = await self.book(seat.start)
        held = await self.client.hold_tables(
            HoldTablesRequest(
                restaurant_id=self.restaurant_id,
                booking_id=booking_id,
                table_ids=[seat.table_id],
                ttl=duration(HOLD_TTL),
            )
        )
        return ConfirmHoldRequest(
            restaurant_id=self.restaurant_id, hold_id=held.hold.hold_id, booking_id=booking_id
        )

    def question(self, party_size: int) -> PlanTablesRequest:
        """Where a party could sit at the first seating."""
        start = next(self.seats()).start
        return PlanTablesRequest(
            restaurant_id=self.restaurant_id,
            party=PartyRequest(party_size=party_size, start=timestamp(start)),
        )


async def open_house(client: AsyncMaitredClient, floor: Floor) -> House:
    """A restaurant with that floor, open all day; up to three tables that touch may be pushed together."""
    restaurant_id = str(uuid4())
    restaurant = Restaurant(restaurant_id=restaurant_id, name="Bench", time_zone="UTC")
    await client.put_restaurant(PutRestaurantRequest(restaurant=restaurant))
    await client.put_service_policy(PutServicePolicyRequest(restaurant_id=restaurant_id, policy=_all_day()))
    await client.put_floor(PutFloorRequest(restaurant_id=restaurant_id, floor=floor))
    return House(client, restaurant_id, tuple(table.table_id for table in floor.tables))


def _all_day() -> ServicePolicy:
    turn = TurnTime(party_size_max=2, duration=duration(STAY))
    period = ServicePeriod(name="day", opens=OPENS, closes=CLOSES, may_overrun=True, turn_times=[turn])
    combinations = CombinationPolicy(enabled=True, tables_max=3)
    return ServicePolicy(periods=[period], slack_max=4, combinations=combinations)


def floor_in_rows(tables: int) -> Floor:
    """So many tables in rows of twelve, a zone each, in which neighbours touch."""
    zones, placed, adjacency = [], [], []
    for first in range(0, tables, ZONE_TABLES):
        zone = Zone(zone_id=str(uuid4()), name=f"Row {first // ZONE_TABLES + 1}")
        row = [_table(number, zone) for number in range(first, min(first + ZONE_TABLES, tables))]
        zones.append(zone)
        placed += row
        adjacency += [Adjacency(table_a=a.table_id, table_b=b.table_id) for a, b in pairwise(row)]
    return Floor(zones=zones, tables=placed, adjacency=adjacency)


def _table(number: int, zone: Zone) -> Table:
    return Table(
        table_id=str(uuid4()),
        zone_id=zone.zone_id,
        name=f"T{number + 1}",
        capacity=CAPACITIES[number % len(CAPACITIES)],
        movable=True,
    )
