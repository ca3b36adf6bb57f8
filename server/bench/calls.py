"""Requests of a measurement, encoded beforehand, and jobs for client processes that send them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle
from typing import TypeAlias
from uuid import UUID, uuid4

from loadgen.driving import Desk, Limit, Outcome, Tally, closed_loop, fixed_arrivals, lines_to, open_loop
from maitred_client import duration, timestamp
from maitred_client.messages import (
    AvailabilityQuestion,
    ConfirmHoldRequest,
    HoldTablesRequest,
    HoldTablesResponse,
    PartyRequest,
    PlanTablesRequest,
    SearchAvailabilityRequest,
)
from server.bench.floors import HOLD_TTL
from server.persistence.bench_stock import Seat
from server.rpc.empty_call import EMPTY_CALL

Call: TypeAlias = tuple[str, bytes]
"""Method and encoded request."""

HOLD = "/maitred.v1.AssignmentService/HoldTables"
CONFIRM = "/maitred.v1.AssignmentService/ConfirmHold"
PLAN = "/maitred.v1.PlannerService/PlanTables"
SEARCH = "/maitred.v1.PlannerService/SearchAvailability"
PAIR = "hold and confirm"
EMPTY: Call = (EMPTY_CALL, b"")
TIMEOUT_S = 30.0
# More than a server in trouble could have under way for one client process.
IN_FLIGHT_MAX = 20_000


def hold_call(seat: Seat) -> Call:
    """Holds a seat's table for its booking."""
    request = HoldTablesRequest(
        request_id=str(uuid4()),
        restaurant_id=str(seat.restaurant_id),
        booking_id=str(seat.booking_id),
        table_ids=[str(seat.table_id)],
        ttl=duration(HOLD_TTL),
    )
    return HOLD, request.SerializeToString()


def plan_call(restaurant_id: UUID, party_size: int, start: datetime) -> Call:
    """Asks where a party could sit."""
    party = PartyRequest(party_size=party_size, start=timestamp(start))
    return PLAN, PlanTablesRequest(restaurant_id=str(restaurant_id), party=party).SerializeToString()


def search_call(restaurant_id: UUID, slots: Sequence[tuple[int, datetime]]) -> Call:
    """Asks when parties could come: a size and a time per slot."""
    questions = [AvailabilityQuestion(party_size=size, start=timestamp(start)) for size, start in slots]
    return SEARCH, SearchAvailabilityRequest(
        restaurant_id=str(restaurant_id), questions=questions
    ).SerializeToString()


@dataclass(frozen=True, slots=True)
class PairsPart:
    """Seats that one client process holds, each followed by its confirm."""

    target: str
    metadata: tuple[tuple[str, str], ...]
    seats: tuple[Seat, ...]
    in_flight: int
    lines: int


async def send_pairs(part: PairsPart, desk: Desk) -> Tally:
    """The job for `ClientProcesses.run`. What is counted is the pair, or what refused one of the two."""
    tally = Tally()
    waiting = [(seat, hold_call(seat)) for seat in reversed(part.seats)]
    async with lines_to(part.target, part.metadata, part.lines) as lines:
        await desk.ready()
        turns = cycle(lines)

        async def operate(intended_ns: int) -> None:
            line = next(turns)
            seat, (method, body) = waiting.pop()
            reply = await line.send(method, body, TIMEOUT_S)
            if reply.outcome is Outcome.OK:
                reply = await line.send(CONFIRM, _confirm(seat, reply.body), TIMEOUT_S)
            tally.note(PAIR, reply, intended_ns)

        await closed_loop(operate, part.in_flight, Limit(len(part.seats)))
    return tally


def _confirm(seat: Seat, held: bytes) -> bytes:
    return ConfirmHoldRequest(
        request_id=str(uuid4()),
        restaurant_id=str(seat.restaurant_id),
        booking_id=str(seat.booking_id),
        hold_id=HoldTablesResponse.FromString(held).hold.hold_id,
    ).SerializeToString()


@dataclass(frozen=True, slots=True)
class OpenPart:
    """Calls that one client process sends at equal distances, `per_s` of them a second, each given up after
    `timeout_s`.
    """

    target: str
    metadata: tuple[tuple[str, str], ...]
    calls: tuple[Call, ...]
    per_s: float
    timeout_s: float
    lines: int


async def send_at_rate(part: OpenPart, desk: Desk) -> Tally:
    """The job for `ClientProcesses.run`."""
    tally = Tally()
    waiting = list(reversed(part.calls))
    async with lines_to(part.target, part.metadata, part.lines) as lines:
        await desk.ready()
        turns = cycle(lines)

        async def operate(intended_ns: int) -> None:
            method, body = waiting.pop()
            tally.note(method, await next(turns).send(method, body, part.timeout_s), intended_ns)

        limit = Limit(len(part.calls))
        tally.missed = await open_loop(operate, fixed_arrivals(part.per_s), limit, IN_FLIGHT_MAX)
    return tally
