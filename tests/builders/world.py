"""A small restaurant behind a running server, made and used through the client alone."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from uuid import uuid4

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from maitred_client import AsyncMaitredClient, new_request_id
from maitred_client.messages import (
    Adjacency,
    Assignment,
    AssignTablesRequest,
    AutoAssignRequest,
    AutoAssignResponse,
    Block,
    BlockCause,
    BlockTablesRequest,
    Booking,
    BookingAction,
    CheckInvariantsRequest,
    ConfirmHoldRequest,
    ExtendHoldRequest,
    Floor,
    GetAssignmentRequest,
    GetBookingRequest,
    GetFloorRequest,
    GetHoldRequest,
    GetRestaurantRequest,
    Hold,
    HoldTablesRequest,
    PartyRequest,
    PutBookingRequest,
    PutFloorRequest,
    PutRestaurantRequest,
    PutServicePolicyRequest,
    ReassignTablesRequest,
    ReassignTablesResponse,
    ReleaseHoldRequest,
    ReplaceHoldRequest,
    ReplaceHoldResponse,
    Restaurant,
    ServicePeriod,
    ServicePolicy,
    Table,
    TransitionBookingRequest,
    TurnTime,
    UnassignTablesRequest,
    UnassignTablesResponse,
    Zone,
)

STAY = timedelta(hours=2)
DAYS_AHEAD = 30
CALL_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One table of a small world. They all stand in one zone."""

    name: str
    capacity: int = 4
    movable: bool = True


# Four movable tables in a row, and a large one that stays where it is.
ROW = (TableSpec("T1"), TableSpec("T2"), TableSpec("T3"), TableSpec("T4"), TableSpec("T5", 10, movable=False))


def evening(hour: int = 19, minute: int = 0) -> datetime:
    """A time of the day, in UTC, on which the world's parties come: a month from now."""
    day = (datetime.now(UTC) + timedelta(days=DAYS_AHEAD)).date()
    return datetime.combine(day, time(hour, minute), UTC)


def stamp(instant: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(instant)
    return message


@dataclass(frozen=True, slots=True)
class World:
    """A restaurant in UTC whose parties start between 10:00 and 23:00 and stay two hours, without buffers.

    Tables are named by what staff call them. Every method is one call; whoever needs another field, deadline or
    request_id than these offer builds the request and uses `client`.
    """

    client: AsyncMaitredClient
    restaurant_id: str
    zone_id: str
    tables: Mapping[str, str]

    def ids(self, names: Iterable[str]) -> list[str]:
        return [self.tables[name] for name in names]

    def booking_request(
        self,
        *,
        party: int = 2,
        start: datetime | None = None,
        booking_id: str = "",
        request_id: str = "",
    ) -> PutBookingRequest:
        wanted = PartyRequest(party_size=party, start=stamp(start or evening()))
        return PutBookingRequest(
            request_id=request_id or new_request_id(),
            restaurant_id=self.restaurant_id,
            booking_id=booking_id or str(uuid4()),
            party=wanted,
        )

    def hold_request(
        self, booking_id: str, names: Iterable[str], *, ttl_s: int = 0, request_id: str = ""
    ) -> HoldTablesRequest:
        return HoldTablesRequest(
            request_id=request_id or new_request_id(),
            restaurant_id=self.restaurant_id,
            booking_id=booking_id,
            table_ids=self.ids(names),
            ttl=Duration(seconds=ttl_s) if ttl_s else None,
        )

    def confirm_request(self, hold: Hold) -> ConfirmHoldRequest:
        return ConfirmHoldRequest(
            request_id=new_request_id(),
            restaurant_id=self.restaurant_id,
            hold_id=hold.hold_id,
            booking_id=hold.booking_id,
        )

    def assign_request(
        self, booking_id: str, names: Iterable[str], *, request_id: str = ""
    ) -> AssignTablesRequest:
        return AssignTablesRequest(
            request_id=request_id or new_request_id(),
            restaurant_id=self.restaurant_id,
            booking_id=booking_id,
            table_ids=self.ids(names),
        )

    def auto_assign_request(
        self, booking_id: str, *, avoid: Iterable[str] = (), request_id: str = ""
    ) -> AutoAssignRequest:
        """Without a request_id the server derives one."""
        return AutoAssignRequest(
            request_id=request_id,
            restaurant_id=self.restaurant_id,
            booking_id=booking_id,
            avoid_table_ids=self.ids(avoid),
        )

    def extend_request(self, hold_id: str, *, ttl_s: int = 0) -> ExtendHoldRequest:
        return ExtendHoldRequest(
            request_id=new_request_id(),
            restaurant_id=self.restaurant_id,
            hold_id=hold_id,
            ttl=Duration(seconds=ttl_s) if ttl_s else None,
        )

    def replace_request(self, hold_id: str, names: Iterable[str], *, ttl_s: int = 0) -> ReplaceHoldRequest:
        return ReplaceHoldRequest(
            request_id=new_request_id(),
            restaurant_id=self.restaurant_id,
            hold_id=hold_id,
            table_ids=self.ids(names),
            ttl=Duration(seconds=ttl_s) if ttl_s else None,
        )

    def reassign_request(self, booking_id: str, names: Iterable[str]) -> ReassignTablesRequest:
        return ReassignTablesRequest(
            request_id=new_request_id(),
            restaurant_id=self.restaurant_id,
            booking_id=booking_id,
            table_ids=self.ids(names),
        )

    def unassign_request(self, booking_id: str, names: Iterable[str] = ()) -> UnassignTablesRequest:
        return UnassignTablesRequest(
            request_id=new_request_id(),
            restaurant_id=self.restaurant_id,
            booking_id=booking_id,
            table_ids=self.ids(names),
        )

    def release_request(self, hold_id: str) -> ReleaseHoldRequest:
        return ReleaseHoldRequest(
            request_id=new_request_id(), restaurant_id=self.restaurant_id, hold_id=hold_id
        )

    def transition_request(
        self, booking_id: str, action: "BookingAction.ValueType"
    ) -> TransitionBookingRequest:
        return TransitionBookingRequest(
            request_id=new_request_id(),
            restaurant_id=self.restaurant_id,
            booking_id=booking_id,
            action=action,
        )

    def block_request(
        self,
        names: Iterable[str],
        *,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> BlockTablesRequest:
        start = start or evening()
        return BlockTablesRequest(
            request_id=new_request_id(),
            restaurant_id=self.restaurant_id,
            table_ids=self.ids(names),
            window_start=stamp(start),
            window_end=stamp(end or start + STAY),
            cause=BlockCause.BLOCK_CAUSE_MAINTENANCE,
        )

    async def booking(
        self, *, party: int = 2, start: datetime | None = None, booking_id: str = ""
    ) -> Booking:
        """A new booking, or with the id of an old one a changed booking."""
        request = self.booking_request(party=party, start=start, booking_id=booking_id)
        return (await self.client.put_booking(request, timeout_s=CALL_TIMEOUT_S)).booking

    async def read(self, booking_id: str) -> Booking:
        request = GetBookingRequest(restaurant_id=self.restaurant_id, booking_id=booking_id)
        return (await self.client.get_booking(request)).booking

    async def restaurant(self) -> Restaurant:
        request = GetRestaurantRequest(restaurant_id=self.restaurant_id)
        return (await self.client.get_restaurant(request)).restaurant

    async def floor(self) -> Floor:
        return (await self.client.get_floor(GetFloorRequest(restaurant_id=self.restaurant_id))).floor

    async def hold_now(self, hold: Hold) -> Hold:
        request = GetHoldRequest(restaurant_id=self.restaurant_id, hold_id=hold.hold_id)
        return (await self.client.get_hold(request)).hold

    async def assignment(self, booking_id: str) -> Assignment:
        request = GetAssignmentRequest(restaurant_id=self.restaurant_id, booking_id=booking_id)
        return (await self.client.get_assignment(request)).assignment

    async def violations(self) -> int:
        """Of the invariants, in all that the tenant has."""
        return (await self.client.check_invariants(CheckInvariantsRequest())).violations

    async def hold(self, booking: Booking, *names: str, ttl_s: int = 0) -> Hold:
        request = self.hold_request(booking.booking_id, names, ttl_s=ttl_s)
        return (await self.client.hold_tables(request, timeout_s=CALL_TIMEOUT_S)).hold

    async def confirm(self, hold: Hold) -> Assignment:
        request = self.confirm_request(hold)
        return (await self.client.confirm_hold(request, timeout_s=CALL_TIMEOUT_S)).assignment

    async def release(self, hold: Hold) -> Hold:
        request = self.release_request(hold.hold_id)
        return (await self.client.release_hold(request, timeout_s=CALL_TIMEOUT_S)).hold

    async def extend(self, hold: Hold, *, ttl_s: int = 0) -> Hold:
        request = self.extend_request(hold.hold_id, ttl_s=ttl_s)
        return (await self.client.extend_hold(request, timeout_s=CALL_TIMEOUT_S)).hold

    async def replace(self, hold: Hold, *names: str, ttl_s: int = 0) -> ReplaceHoldResponse:
        request = self.replace_request(hold.hold_id, names, ttl_s=ttl_s)
        return await self.client.replace_hold(request, timeout_s=CALL_TIMEOUT_S)

    async def reassign(self, booking: Booking, *names: str) -> ReassignTablesResponse:
        request = self.reassign_request(booking.booking_id, names)
        return await self.client.reassign_tables(request, timeout_s=CALL_TIMEOUT_S)

    async def assign(self, booking: Booking, *names: str) -> Assignment:
        request = self.assign_request(booking.booking_id, names)
        return (await self.client.assign_tables(request, timeout_s=CALL_TIMEOUT_S)).assignment

    async def auto_assign(self, booking: Booking, *, avoid: Iterable[str] = ()) -> AutoAssignResponse:
        request = self.auto_assign_request(booking.booking_id, avoid=avoid)
        return await self.client.auto_assign(request, timeout_s=CALL_TIMEOUT_S)

    async def seated(self, *names: str, party: int = 2, start: datetime | None = None) -> Booking:
        """A new booking that has these tables."""
        booking = await self.booking(party=party, start=start)
        await self.assign(booking, *names)
        return await self.read(booking.booking_id)

    async def unassign(self, booking: Booking, *names: str) -> UnassignTablesResponse:
        request = self.unassign_request(booking.booking_id, names)
        return await self.client.unassign_tables(request, timeout_s=CALL_TIMEOUT_S)

    async def transition(self, booking: Booking, action: "BookingAction.ValueType") -> Booking:
        request = self.transition_request(booking.booking_id, action)
        return (await self.client.transition_booking(request, timeout_s=CALL_TIMEOUT_S)).booking

    async def block(self, *names: str, start: datetime | None = None, end: datetime | None = None) -> Block:
        request = self.block_request(names, start=start, end=end)
        return (await self.client.block_tables(request, timeout_s=CALL_TIMEOUT_S)).block


async def small_world(
    client: AsyncMaitredClient,
    *,
    tables: Sequence[TableSpec] = ROW,
    adjacent: Iterable[tuple[str, str]] | None = None,
) -> World:
    """A new restaurant. Without `adjacent` each movable table may be merged with the next one in the list."""
    restaurant_id, zone_id = str(uuid4()), str(uuid4())
    ids = {table.name: str(uuid4()) for table in tables}
    restaurant = Restaurant(restaurant_id=restaurant_id, name="Small World", time_zone="UTC")
    await client.put_restaurant(PutRestaurantRequest(restaurant=restaurant))
    await client.put_service_policy(
        PutServicePolicyRequest(restaurant_id=restaurant_id, policy=all_day_policy())
    )
    pairs = _row(tables) if adjacent is None else adjacent
    floor = Floor(
        zones=[Zone(zone_id=zone_id, name="Hall")],
        tables=[_table(table, ids[table.name], zone_id) for table in tables],
        adjacency=[Adjacency(table_a=ids[a], table_b=ids[b]) for a, b in pairs],
    )
    await client.put_floor(PutFloorRequest(restaurant_id=restaurant_id, floor=floor))
    return World(client, restaurant_id, zone_id, ids)


def all_day_policy() -> ServicePolicy:
    """One period from 10:00 to 23:00; every party stays two hours; no set is refused for empty seats."""
    stay = Duration(seconds=int(STAY.total_seconds()))
    period = ServicePeriod(
        name="day",
        opens="10:00",
        closes="23:00",
        may_overrun=True,
        turn_times=[TurnTime(party_size_max=2, duration=stay)],
    )
    return ServicePolicy(periods=[period], slack_max=20)


def _table(spec: TableSpec, table_id: str, zone_id: str) -> Table:
    return Table(
        table_id=table_id, zone_id=zone_id, name=spec.name, capacity=spec.capacity, movable=spec.movable
    )


def _row(tables: Sequence[TableSpec]) -> list[tuple[str, str]]:
    movable = [table.name for table in tables if table.movable]
    return list(itertools.pairwise(movable))
