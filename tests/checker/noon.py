"""What a few parties do at noon, one after the other, when nobody else is there: each rule gets its occasion."""

from dataclasses import dataclass, field
from time import monotonic_ns
from typing import Any
from uuid import uuid4

from loadgen.checking.history import Recorded
from maitred_client.messages import (
    AssignTablesRequest,
    BlockCause,
    BlockTablesRequest,
    BookingAction,
    ConfirmHoldRequest,
    ExtendHoldRequest,
    HoldTablesRequest,
    PartyRequest,
    PutBookingRequest,
    ReleaseHoldRequest,
    TransitionBookingRequest,
    UnassignTablesRequest,
    UnblockTablesRequest,
)
from tests.builders.world import STAY, evening, stamp
from tests.checker.load import Client, Crowd

NOON, LATER, AFTERNOON = 12, 13, 15


@dataclass
class Noon:
    """`client` asks for everybody. What is answered changes little of what is asked next: the checker is to judge."""

    client: Client
    hours: dict[str, int] = field(default_factory=dict)

    @property
    def crowd(self) -> Crowd:
        return self.client.crowd

    async def passes(self, contest_s: float) -> None:
        """For `contest_s` seconds somebody wants what somebody else holds, unless it is given before."""
        six, two, three, four = [await self.comes(size) for size in (6, 2, 2, 2)]
        await self.holds(six, "T1", "T2")
        await self.holds(two, "T2")
        held = await self.holds(six, "T1", "T2", again=True)
        await self.holds(two, "T1", again=True)
        until_ns = monotonic_ns() + int(contest_s * 1e9)
        while monotonic_ns() < until_ns and not (await self.holds(two, "T1")).answer:
            pass
        await self.asks("ConfirmHold", ConfirmHoldRequest, hold_id=hold_of(held), booking_id=six)
        await self.asks("ReleaseHold", ReleaseHoldRequest, hold_id=hold_of(held))
        await self.asks("UnassignTables", UnassignTablesRequest, booking_id=six)
        kept = await self.holds(two, "T1")
        await self.asks("ReleaseHold", ReleaseHoldRequest, hold_id=hold_of(kept))
        await self.holds(three, "T1")
        await self.moves_on(three, four)
        await self.ends()
        await self.is_mended()

    async def ends(self) -> None:
        """Parties leave, call off and stay away, and the next ones get their tables."""
        for name, *actions in (
            ("T1", "check_in", "complete"),
            ("T2", "cancel", "cancel"),
            ("T3", "no_show", "undo_no_show", "no_show"),
        ):
            first, second = [await self.comes(2, hour=AFTERNOON) for _ in range(2)]
            await self.sits(first, name)
            for action in actions:
                await self.steps(first, action)
            await self.sits(second, name)

    async def is_mended(self) -> None:
        """A table is blocked for a while."""
        party = await self.comes(2, hour=AFTERNOON)
        start, cause = evening(AFTERNOON), BlockCause.BLOCK_CAUSE_MAINTENANCE
        about: dict[str, Any] = {"restaurant_id": self.crowd.world.restaurant_id}
        tables = tuple(self.crowd.world.ids(("T4",)))
        request = BlockTablesRequest(
            **about, table_ids=tables, window_start=stamp(start), window_end=stamp(start + STAY), cause=cause
        )
        window = self.crowd.window(AFTERNOON)
        asked = Recorded("BlockTables", **about, table_ids=tables, window=window)
        blocked = await self.client.ask(request, asked)
        await self.sits(party, "T4")
        block_id = str(blocked.answer["block"]["block_id"])
        lifting = Recorded("UnblockTables", **about, hold_id=block_id)
        await self.client.ask(UnblockTablesRequest(**about, block_id=block_id), lifting)
        await self.sits(party, "T4")

    async def sits(self, booking_id: str, name: str) -> None:
        tables = tuple(self.crowd.world.ids((name,)))
        await self.asks("AssignTables", AssignTablesRequest, booking_id=booking_id, table_ids=tables)

    async def steps(self, booking_id: str, action: str) -> None:
        about: dict[str, Any] = {"restaurant_id": self.crowd.world.restaurant_id, "booking_id": booking_id}
        value = BookingAction.Value(f"BOOKING_ACTION_{action.upper()}")
        asked = Recorded("TransitionBooking", **about, action=action)
        await self.client.ask(TransitionBookingRequest(**about, action=value), asked)

    async def moves_on(self, three: str, four: str) -> None:
        """A party with two holds confirms one of them, and one that comes later confirms what it held before."""
        one, other = await self.holds(three, "T3"), await self.holds(three, "T4")
        await self.asks("ConfirmHold", ConfirmHoldRequest, hold_id=hold_of(one), booking_id=three)
        ttl_s = self.crowd.ttl_s
        await self.asks("ExtendHold", ExtendHoldRequest, hold_id=hold_of(other), ttl_s=ttl_s)
        old = await self.holds(four, "T5")
        await self.comes(2, four, LATER)
        await self.asks("ConfirmHold", ConfirmHoldRequest, hold_id=hold_of(old), booking_id=four)
        tables = tuple(self.crowd.world.ids(("T5",)))
        await self.asks("AssignTables", AssignTablesRequest, booking_id=four, table_ids=tables)

    async def comes(self, size: int, booking_id: str = "", hour: int = NOON) -> str:
        booking_id = booking_id or str(uuid4())
        self.hours[booking_id] = hour
        party = PartyRequest(party_size=size, start=stamp(evening(hour)))
        about: dict[str, Any] = {"restaurant_id": self.crowd.world.restaurant_id, "booking_id": booking_id}
        request = PutBookingRequest(**about, party=party)
        await self.client.ask(request, Recorded("PutBooking", **about, window=self.crowd.window(hour)))
        return booking_id

    async def holds(self, booking_id: str, *names: str, again: bool = False) -> Recorded:
        about = {"booking_id": booking_id, "table_ids": tuple(self.crowd.world.ids(names))}
        return await self.asks("HoldTables", HoldTablesRequest, ttl_s=self.crowd.ttl_s, again=again, **about)

    async def asks(
        self, method: str, kind: Any, *, ttl_s: float | None = None, again: bool = False, **about: Any
    ) -> Recorded:
        about["restaurant_id"] = self.crowd.world.restaurant_id
        request = kind(**about) if ttl_s is None else kind(**about, ttl=self.crowd.ttl())
        hour = self.hours.get(about.get("booking_id", ""))
        window = None if hour is None else self.crowd.window(hour)
        asked = Recorded(method, **about, window=window, ttl_s=ttl_s)
        return await self.client.ask(request, asked, again=again)


def hold_of(call: Recorded) -> str:
    """The hold that was made, or an id of nothing."""
    return str(call.answer.get("hold", {}).get("hold_id") or uuid4())
