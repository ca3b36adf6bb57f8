"""A small crowd on a hot floor of a real server, over real sockets, with everything written down."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final, TypeAlias
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from loadgen.checking.answers import answer_of
from loadgen.checking.history import HistoryWriter, Recorded, digest_of
from loadgen.driving import Line, Reply
from maitred_client.channel import SERVICES
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
    ReassignTablesRequest,
    ReleaseHoldRequest,
    ReplaceHoldRequest,
    TransitionBookingRequest,
    UnassignTablesRequest,
    UnblockTablesRequest,
)
from tests.builders.world import STAY, World, evening, stamp

CLIENTS = 6
TIMEOUT_S = 10.0
# So many of the answers count as lost; so many calls are repeated although they were answered.
LOST, REPEATED = 0.1, 0.15
HOURS = (17, 18, 19)
SINGLE, PAIRS = (("T1",), ("T2",), ("T3",)), (("T1", "T2"), ("T2", "T3"))
# How often somebody still acts on what is over as far as everybody knows.
STUBBORN = 0.35
ACTIONS = ("check_in", "check_in", "complete", "cancel", "no_show", "undo_no_show")
GONE = ("pending", "cancelled", "completed")
METHODS: Final = {method.name: method for service in SERVICES for method in service.methods}

Ask: TypeAlias = Callable[[Random], tuple[Message, Recorded] | None]


@dataclass(frozen=True, slots=True)
class Party:
    booking_id: str
    size: int
    window: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Held:
    hold_id: str
    booking_id: str
    table_ids: tuple[str, ...]


@dataclass
class Crowd:
    """What all clients know together. `ttl_s` is what they ask holds to live."""

    world: World
    ttl_s: float
    parties: list[Party] = field(default_factory=list)
    seated: list[str] = field(default_factory=list)
    holds: list[Held] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)

    def choose(self, chance: Random) -> tuple[Message, Recorded]:
        """The next request, and what the history says of it; the ids of call and request come later."""
        draw = chance.random()
        if len(self.parties) < 3 or draw < 0.08:
            return self._come(chance)
        if self.holds and draw < 0.4:
            return self._about_a_hold(chance, chance.choice(self.holds[-6:]))
        if self.seated and draw < 0.55:
            return self._about_a_seat(chance, chance.choice(self.seated[-6:]))
        waiting = [party for party in self.parties[-5:] if party.booking_id not in self.seated]
        party = chance.choice(waiting or self.parties)
        if draw < 0.61:
            return self._change(chance, party)
        if draw < 0.65:
            return self._mend(chance, party)
        tables, restaurant_id = self._tables(chance, party), self.world.restaurant_id
        about: dict[str, Any] = {
            "booking_id": party.booking_id,
            "table_ids": tables,
            "restaurant_id": restaurant_id,
        }
        if draw < 0.95:
            request = HoldTablesRequest(**about, ttl=self.ttl())
            return request, Recorded("HoldTables", **about, window=party.window, ttl_s=self.ttl_s)
        return AssignTablesRequest(**about), Recorded("AssignTables", **about, window=party.window)

    def learn(self, call: Recorded) -> None:
        """What somebody was told, everybody knows."""
        if call.outcome != "ok":
            return
        hold, booking = call.answer.get("hold"), call.answer.get("booking")
        if call.method in ("HoldTables", "ReplaceHold") and hold:
            self.holds.append(Held(hold["hold_id"], hold["booking_id"], tuple(hold["table_ids"])))
        if call.method in ("ConfirmHold", "AssignTables") and booking:
            self.seated.append(booking["booking_id"])
        if call.answer.get("block"):
            self.blocks = [block_id for block_id in self.blocks if block_id != call.hold_id]
        if call.method == "BlockTables":
            self.blocks.append(call.answer["block"]["block_id"])
        if booking and booking["status"] in GONE and call.booking_id in self.seated:
            self.seated.remove(call.booking_id)
        if call.method != "ExtendHold" and Random(call.request_id).random() > STUBBORN:
            self.holds = [held for held in self.holds if held.hold_id != call.hold_id]
        if call.method == "PutBooking" and booking:
            window = (booking["window_start"], booking["window_end"])
            self.parties = [
                replace(party, window=window) if party.booking_id == call.booking_id else party
                for party in self.parties
            ]

    def _come(self, chance: Random) -> tuple[Message, Recorded]:
        size = chance.choice((2, 2, 6))
        booking_id = str(UUID(int=chance.getrandbits(128), version=4))
        self.parties.append(Party(booking_id, size, self.window(HOURS[0])))
        return self._put(booking_id, size, chance.choice(HOURS))

    def _change(self, chance: Random, party: Party) -> tuple[Message, Recorded]:
        return self._put(party.booking_id, party.size, chance.choice(HOURS))

    def _put(self, booking_id: str, size: int, hour: int) -> tuple[Message, Recorded]:
        about: dict[str, Any] = {"booking_id": booking_id, "restaurant_id": self.world.restaurant_id}
        party = PartyRequest(party_size=size, start=stamp(evening(hour)))
        request = PutBookingRequest(**about, party=party)
        return request, Recorded("PutBooking", **about, window=self.window(hour))

    def _about_a_hold(self, chance: Random, held: Held) -> tuple[Message, Recorded]:
        about: dict[str, Any] = {"hold_id": held.hold_id, "restaurant_id": self.world.restaurant_id}
        method = chance.choice(
            ("ConfirmHold", "ConfirmHold", "ReleaseHold", "ReleaseHold", "ExtendHold", "ReplaceHold")
        )
        match method:
            case "ConfirmHold":
                about |= {"booking_id": held.booking_id, "table_ids": held.table_ids}
                return ConfirmHoldRequest(**about), Recorded(method, **about)
            case "ReleaseHold":
                return ReleaseHoldRequest(**about), Recorded(method, **about)
            case "ExtendHold":
                return ExtendHoldRequest(**about, ttl=self.ttl()), Recorded(method, **about, ttl_s=self.ttl_s)
            case _:
                party = next(
                    (each for each in self.parties if each.booking_id == held.booking_id), self.parties[0]
                )
                about |= {"table_ids": self._tables(chance, party)}
                return ReplaceHoldRequest(**about, ttl=self.ttl()), Recorded(
                    method, **about, ttl_s=self.ttl_s
                )

    def _about_a_seat(self, chance: Random, booking_id: str) -> tuple[Message, Recorded]:
        about: dict[str, Any] = {"booking_id": booking_id, "restaurant_id": self.world.restaurant_id}
        party = next(each for each in self.parties if each.booking_id == booking_id)
        draw = chance.random()
        if draw < 0.35:
            action = chance.choice(ACTIONS)
            value = BookingAction.Value(f"BOOKING_ACTION_{action.upper()}")
            return TransitionBookingRequest(**about, action=value), Recorded(
                "TransitionBooking", **about, window=party.window, action=action
            )
        if draw < 0.8:
            return UnassignTablesRequest(**about), Recorded("UnassignTables", **about, window=party.window)
        about |= {"table_ids": self._tables(chance, party)}
        return ReassignTablesRequest(**about), Recorded("ReassignTables", **about, window=party.window)

    def _mend(self, chance: Random, party: Party) -> tuple[Message, Recorded]:
        """Blocks tables that a party might want, or gives back what is blocked."""
        about: dict[str, Any] = {"restaurant_id": self.world.restaurant_id}
        if self.blocks:
            block_id = chance.choice(self.blocks)
            request = UnblockTablesRequest(**about, block_id=block_id)
            return request, Recorded("UnblockTables", **about, hold_id=block_id)
        hour = chance.choice(HOURS)
        about["table_ids"] = self._tables(chance, party)
        window: dict[str, Any] = {
            "window_start": stamp(evening(hour)),
            "window_end": stamp(evening(hour) + STAY),
        }
        cause = BlockCause.BLOCK_CAUSE_OTHER
        return BlockTablesRequest(**about, **window, cause=cause), Recorded(
            "BlockTables", **about, window=self.window(hour)
        )

    def _tables(self, chance: Random, party: Party) -> tuple[str, ...]:
        return tuple(self.world.ids(chance.choice(SINGLE if party.size <= 4 else PAIRS)))

    def window(self, hour: int) -> tuple[str, str]:
        return evening(hour).isoformat(), (evening(hour) + STAY).isoformat()

    def ttl(self) -> Duration:
        return Duration(seconds=int(self.ttl_s), nanos=int(self.ttl_s % 1 * 1e9))


@dataclass
class Client:
    """One of the crowd, with a line and a file of its own."""

    line: Line
    writer: HistoryWriter
    crowd: Crowd
    chance: Random

    async def act(self) -> None:
        """One request, repeated when its answer was lost, and sometimes when it was not."""
        lost = self.chance.random() < LOST
        again = lost or self.chance.random() < REPEATED
        self.crowd.learn(await self.ask(*self.crowd.choose(self.chance), lost=lost, again=again))

    async def ask(
        self, request: Any, about: Recorded, *, lost: bool = False, again: bool = False
    ) -> Recorded:
        """Sends a request under an id of its own, twice if wanted; what came of it at last."""
        request.request_id = str(UUID(int=self.chance.getrandbits(128), version=4))
        asked = replace(about, request_id=request.request_id)
        told = await self._send(request, asked, lost=lost)
        return await self._send(request, replace(asked, attempt=2), lost=False) if again else told

    async def _send(self, request: Message, asked: Recorded, *, lost: bool) -> Recorded:
        body, method = request.SerializeToString(), METHODS[asked.method]
        call = self.writer.invoked(replace(asked, request_digest=digest_of(body)))
        path = f"/{method.containing_service.full_name}/{method.name}"
        reply = await self.line.send(path, body, TIMEOUT_S)
        return call if lost else self._write_down(call, reply)

    def _write_down(self, call: Recorded, reply: Reply) -> Recorded:
        done = reply.outcome == "ok"
        response = GetMessageClass(METHODS[call.method].output_type)
        return self.writer.returned(
            call,
            reply.outcome.value,
            reason="" if done else reply.reason or reply.status,
            answer=answer_of(response.FromString(reply.body)) if done else None,
            answer_digest=digest_of(reply.body if done else reply.details),
            returned_ns=reply.ended_ns,
        )
