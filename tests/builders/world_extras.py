"""A restaurant that has something for every rule to look at, and ways to change it while bookings are under way."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import uuid4

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from maitred_client import AsyncMaitredClient, MaitredError
from maitred_client.messages import (
    Adjacency,
    Booking,
    ExplainTableRequest,
    ExplainTableResponse,
    Floor,
    GetBookingRequest,
    GetBookingResponse,
    GetServicePolicyRequest,
    PartyRequest,
    PlanTablesRequest,
    PlanTablesResponse,
    PutBookingRequest,
    PutFloorRequest,
    PutRestaurantRequest,
    PutServicePolicyRequest,
    Restaurant,
    ServicePolicy,
    Table,
    TableState,
    UpdateTableRequest,
    UpdateTableResponse,
    ValidateSelectionRequest,
    ValidateSelectionResponse,
    Zone,
)
from tests.builders.world import World, all_day_policy, evening, stamp

ErrorT = TypeVar("ErrorT", bound=MaitredError)

UNKNOWN_ID = "00000000-0000-4000-8000-0000000000ff"


@dataclass(frozen=True, slots=True)
class Seats:
    """One table of the house."""

    name: str
    capacity: int = 4
    zone: str = "Hall"
    movable: bool = True
    min_party: int = 1
    attributes: Sequence[str] = ()


# A row of movable tables in the hall, two fixed ones beside it, and a pair outside.
HOUSE_TABLES = (
    Seats("W1", attributes=("window",)),
    Seats("W2"),
    Seats("W3"),
    Seats("W4"),
    Seats("F6", 6, movable=False),
    Seats("L8", 8, movable=False, min_party=5),
    Seats("P1", zone="Terrace"),
    Seats("P2", zone="Terrace"),
)
HOUSE_EDGES = (("W1", "W2"), ("W2", "W3"), ("W3", "W4"), ("P1", "P2"))


@dataclass(frozen=True, slots=True)
class House(World):
    """A world with two zones. Its policy leaves at most four seats empty and merges up to three tables."""

    zones: Mapping[str, str] = field(default_factory=dict)

    async def party(
        self,
        size: int = 2,
        *,
        booking_id: str = "",
        start: datetime | None = None,
        stay: timedelta | None = None,
        zone: str = "",
        required: Iterable[str] = (),
        preferred: Iterable[str] = (),
        preferred_zones: Iterable[str] = (),
        reference: str = "",
        etag: str = "",
    ) -> Booking:
        """A new booking, or with the id of an old one a changed booking."""
        wanted = PartyRequest(
            party_size=size,
            start=stamp(start or evening()),
            duration=Duration(seconds=int(stay.total_seconds())) if stay else None,
            zone_id=self.zones[zone] if zone else "",
            required_attributes=required,
            preferred_attributes=preferred,
            preferred_zone_ids=[self.zones[name] for name in preferred_zones],
        )
        request = PutBookingRequest(
            restaurant_id=self.restaurant_id,
            booking_id=booking_id or str(uuid4()),
            party=wanted,
            reference=reference,
            etag=etag,
        )
        return (await self.client.put_booking(request)).booking

    async def found(self, booking: Booking) -> GetBookingResponse:
        """The booking as it is now, with its history."""
        request = GetBookingRequest(restaurant_id=self.restaurant_id, booking_id=booking.booking_id)
        return await self.client.get_booking(request)

    async def plan(self, booking: Booking, *, avoid: Iterable[str] = ()) -> PlanTablesResponse:
        request = PlanTablesRequest(
            restaurant_id=self.restaurant_id,
            booking_id=booking.booking_id,
            avoid_table_ids=self.ids(avoid),
            plans_max=50,
        )
        return await self.client.plan_tables(request)

    async def validate(self, booking: Booking, *names: str) -> ValidateSelectionResponse:
        request = ValidateSelectionRequest(
            restaurant_id=self.restaurant_id, booking_id=booking.booking_id, table_ids=self.ids(names)
        )
        return await self.client.validate_selection(request)

    async def explain(self, booking: Booking, *names: str) -> ExplainTableResponse:
        request = ExplainTableRequest(
            restaurant_id=self.restaurant_id, booking_id=booking.booking_id, table_ids=self.ids(names)
        )
        return await self.client.explain_table(request)

    async def put_floor(self, floor: Floor) -> Floor:
        request = PutFloorRequest(restaurant_id=self.restaurant_id, floor=floor)
        return (await self.client.put_floor(request)).floor

    async def change_floor(self, edit: Callable[[Floor], object]) -> Floor:
        floor = await self.floor()
        edit(floor)
        return await self.put_floor(floor)

    async def policy(self) -> ServicePolicy:
        request = GetServicePolicyRequest(restaurant_id=self.restaurant_id)
        return (await self.client.get_service_policy(request)).policy

    async def put_policy(self, policy: ServicePolicy) -> ServicePolicy:
        request = PutServicePolicyRequest(restaurant_id=self.restaurant_id, policy=policy)
        return (await self.client.put_service_policy(request)).policy

    async def change_policy(self, edit: Callable[[ServicePolicy], object]) -> ServicePolicy:
        policy = await self.policy()
        edit(policy)
        return await self.put_policy(policy)

    async def update(self, table: str, etag: str = "", **changes: object) -> UpdateTableResponse:
        """Writes the named fields of one table."""
        changed = Table(table_id=self.tables[table])
        for name, value in changes.items():
            if isinstance(value, list):
                getattr(changed, name).extend(value)
            else:
                setattr(changed, name, value)
        request = UpdateTableRequest(
            restaurant_id=self.restaurant_id,
            table=changed,
            update_mask=FieldMask(paths=sorted(changes)),
            etag=etag,
        )
        return await self.client.update_table(request)

    async def out_of_service(self, table: str) -> None:
        await self.update(table, state=TableState.TABLE_STATE_OUT_OF_SERVICE)

    def edge(self, a: str, b: str) -> Adjacency:
        return Adjacency(table_a=self.tables[a], table_b=self.tables[b])

    def without_edge(self, floor: Floor, a: str, b: str) -> None:
        """Takes one adjacency off a floor message."""
        ends = {self.tables[a], self.tables[b]}
        kept = [edge for edge in floor.adjacency if {edge.table_a, edge.table_b} != ends]
        del floor.adjacency[:]
        floor.adjacency.extend(kept)


async def house(
    client: AsyncMaitredClient,
    *,
    policy: ServicePolicy | None = None,
    time_zone: str = "UTC",
    name: str = "House",
) -> House:
    """A new restaurant with the tables of `HOUSE_TABLES`."""
    restaurant_id = str(uuid4())
    zones = {zone: str(uuid4()) for zone in ("Hall", "Terrace")}
    tables = {seats.name: str(uuid4()) for seats in HOUSE_TABLES}
    made = House(client, restaurant_id, zones["Hall"], tables, zones)
    restaurant = Restaurant(restaurant_id=restaurant_id, name=name, time_zone=time_zone)
    await client.put_restaurant(PutRestaurantRequest(restaurant=restaurant))
    await made.put_policy(policy or house_policy())
    await made.put_floor(
        Floor(
            zones=[Zone(zone_id=zone_id, name=zone) for zone, zone_id in zones.items()],
            tables=[
                Table(
                    table_id=tables[seats.name],
                    zone_id=zones[seats.zone],
                    name=seats.name,
                    capacity=seats.capacity,
                    min_party=seats.min_party,
                    movable=seats.movable,
                    attributes=seats.attributes,
                )
                for seats in HOUSE_TABLES
            ],
            adjacency=[made.edge(a, b) for a, b in HOUSE_EDGES],
        )
    )
    return made


def house_policy() -> ServicePolicy:
    policy = all_day_policy()
    policy.slack_max = 4
    policy.combinations.tables_max = 3
    return policy


def always_open_policy() -> ServicePolicy:
    """Parties can start at any time, so a stay can be under way while the test runs."""
    policy = house_policy()
    policy.periods[0].opens, policy.periods[0].closes = "00:00", "24:00"
    return policy


async def refused(call: Awaitable[object], kind: type[ErrorT]) -> ErrorT:
    """The error of a call that has to be refused for this reason."""
    with pytest.raises(kind) as caught:
        await call
    return caught.value
