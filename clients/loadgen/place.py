"""Where a load takes place: restaurants, tables and bookings, all of which follow from the scenario and the run's id.

So every client process knows all of them without being told, and two runs never meet.
"""

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from random import Random
from uuid import UUID, uuid5

from loadgen.scenario import Scenario
from maitred_client import duration, timestamp
from maitred_client.messages import (
    Adjacency,
    CombinationPolicy,
    Floor,
    PartyRequest,
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

OPENS, CLOSES, FIRST_SEATING = "10:00", "23:00", dt.time(10)
PARTY_SIZE_MAX = 500
SLACK_MAX = 100


@dataclass(frozen=True, slots=True)
class Visit:
    """A booking that is there before the load begins: a party that comes to a restaurant and stays."""

    restaurant: int
    booking_id: str
    party_size: int
    start: dt.datetime
    end: dt.datetime

    @property
    def window(self) -> tuple[str, str]:
        """As histories have it."""
        return self.start.isoformat(), self.end.isoformat()


@dataclass(frozen=True)
class Place:
    """`first_day` is the date of the first seatings; it has to be in the future."""

    scenario: Scenario
    run_id: UUID
    first_day: dt.date

    @property
    def tenant_id(self) -> UUID:
        return uuid5(self.run_id, "tenant")

    def restaurant_id(self, restaurant: int) -> str:
        return str(uuid5(self.run_id, f"restaurant {restaurant}"))

    def table_ids(self, restaurant: int) -> tuple[str, ...]:
        """In the order in which they stand; the same at every call."""
        known = self._tables.get(restaurant)
        if known is None:
            numbers = range(self.scenario.floors.tables)
            known = tuple(str(uuid5(self.run_id, f"restaurant {restaurant} table {n}")) for n in numbers)
            self._tables[restaurant] = known
        return known

    @cached_property
    def _tables(self) -> dict[int, tuple[str, ...]]:
        return {}

    @cached_property
    def capacities(self) -> tuple[int, ...]:
        """Seats of each table, in the order of `table_ids`."""
        floors = self.scenario.floors
        return tuple(floors.capacities[number % len(floors.capacities)] for number in range(floors.tables))

    def choose_tables(self, visit: Visit, chance: Random) -> tuple[str, ...]:
        """A table at random that seats the party, or two neighbours that do, as often as the scenario says."""
        sets = self._pairs if chance.random() < self.scenario.holds.merged else self._singles
        chosen = (
            sets.get(visit.party_size) or self._singles[visit.party_size] or self._pairs[visit.party_size]
        )
        tables = self.table_ids(visit.restaurant)
        # A party that nothing seats asks for the first table and is refused.
        return tuple(tables[number] for number in (chance.choice(chosen) if chosen else (0,)))

    @cached_property
    def _singles(self) -> dict[int, list[tuple[int, ...]]]:
        """By party size, the tables that are large enough, by number."""
        return {
            size: [(number,) for number, seats in enumerate(self.capacities) if seats >= size]
            for size in set(self.scenario.bookings.party_sizes)
        }

    @cached_property
    def _pairs(self) -> dict[int, list[tuple[int, ...]]]:
        row = self.scenario.floors.row_tables
        pairs = [pair for pair in pairwise(range(len(self.capacities))) if pair[0] // row == pair[1] // row]
        return {
            size: [pair for pair in pairs if sum(self.capacities[number] for number in pair) >= size]
            for size in set(self.scenario.bookings.party_sizes)
        }

    def visits(self, process: int, processes: int) -> list[Visit]:
        """The bookings of one of so many client processes; those of all processes are those of the scenario."""
        return [self._visit(number) for number in range(process, self.scenario.bookings.count, processes)]

    def _visit(self, number: int) -> Visit:
        bookings = self.scenario.bookings
        restaurants = self.scenario.floors.restaurants
        seating = number // restaurants
        day = (seating // bookings.seatings) % bookings.days
        opening = dt.datetime.combine(self.first_day, FIRST_SEATING, dt.UTC) + dt.timedelta(days=day)
        start = opening + (seating % bookings.seatings) * dt.timedelta(minutes=bookings.every_minutes)
        return Visit(
            number % restaurants,
            str(uuid5(self.run_id, f"booking {number}")),
            Random(f"{self.run_id} {number}").choice(bookings.party_sizes),
            start,
            start + dt.timedelta(minutes=bookings.stay_minutes),
        )

    def opening(
        self, restaurant: int
    ) -> tuple[PutRestaurantRequest, PutServicePolicyRequest, PutFloorRequest]:
        """The calls that put a restaurant up, in their order."""
        restaurant_id = self.restaurant_id(restaurant)
        put = Restaurant(restaurant_id=restaurant_id, name=f"Load {restaurant + 1}", time_zone="UTC")
        return (
            PutRestaurantRequest(restaurant=put, request_id=self._request_id(restaurant_id, "restaurant")),
            PutServicePolicyRequest(
                restaurant_id=restaurant_id,
                policy=self._policy(),
                request_id=self._request_id(restaurant_id, "policy"),
            ),
            PutFloorRequest(
                restaurant_id=restaurant_id,
                floor=self._floor(restaurant),
                request_id=self._request_id(restaurant_id, "floor"),
            ),
        )

    def booking(self, visit: Visit) -> PutBookingRequest:
        """The call that makes a visit known."""
        return PutBookingRequest(
            request_id=self._request_id(visit.booking_id, "booking"),
            restaurant_id=self.restaurant_id(visit.restaurant),
            booking_id=visit.booking_id,
            party=self.party(visit),
        )

    @staticmethod
    def party(visit: Visit) -> PartyRequest:
        return PartyRequest(party_size=visit.party_size, start=timestamp(visit.start))

    def _request_id(self, subject: str, what: str) -> str:
        return str(uuid5(self.run_id, f"put {what} {subject}"))

    def _policy(self) -> ServicePolicy:
        """Every stay is equally long, without buffers, so that a window is the stay itself; no table is too large."""
        stay = duration(dt.timedelta(minutes=self.scenario.bookings.stay_minutes))
        turn = TurnTime(party_size_max=PARTY_SIZE_MAX, duration=stay)
        period = ServicePeriod(name="day", opens=OPENS, closes=CLOSES, may_overrun=True, turn_times=[turn])
        combinations = CombinationPolicy(enabled=True, tables_max=2)
        return ServicePolicy(periods=[period], slack_max=SLACK_MAX, combinations=combinations)

    def _floor(self, restaurant: int) -> Floor:
        zones, placed, adjacency = [], [], []
        table_ids, per_row = self.table_ids(restaurant), self.scenario.floors.row_tables
        for first in range(0, len(table_ids), per_row):
            zone_id = str(uuid5(self.run_id, f"restaurant {restaurant} row {first}"))
            zones.append(Zone(zone_id=zone_id, name=f"Row {first // per_row + 1}"))
            row = range(first, min(first + per_row, len(table_ids)))
            placed += [
                Table(
                    table_id=table_ids[number],
                    zone_id=zone_id,
                    name=f"T{number + 1}",
                    capacity=self.capacities[number],
                    movable=True,
                )
                for number in row
            ]
            adjacency += [Adjacency(table_a=table_ids[a], table_b=table_ids[b]) for a, b in pairwise(row)]
        return Floor(zones=zones, tables=placed, adjacency=adjacency)
