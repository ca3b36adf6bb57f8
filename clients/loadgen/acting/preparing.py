"""Before a load: restaurants and bookings through the public API, each process its part of them, many at once."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

from google.protobuf.message import Message
from google.rpc import status_pb2

from loadgen.acting.asking import ATTEMPTS_MAX, OVERLOADED, PATHS, PAUSE_S_MAX
from loadgen.driving import Desk, HinderedError, Line, Outcome, Reply, metadata_of, together
from loadgen.place import Place
from maitred_client import duration
from maitred_client.details import decode_details
from maitred_client.messages import HoldTablesRequest

CALLERS: Final = 24
TIMEOUT_S: Final = 30.0
CONNECT_S: Final = 10.0
REPORT_EVERY: Final = 200
SHORTEST_TTL_S: Final = 1.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PreparePart:
    """What one of `processes` client processes prepares; they are numbered by their desks."""

    place: Place
    target: str
    processes: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one process is; `what` is restaurants or bookings."""

    what: str
    done: int
    total: int


async def prepare(part: PreparePart, desk: Desk) -> float:
    """The job of preparing: first all restaurants, then, when all processes have done theirs, all bookings.

    Returns the shortest life of a hold that the server allows, in seconds, but no less than one. What is there
    already stays as it is, so a preparation may be repeated. Ends early when it is told to stop.
    """
    place = part.place
    async with Line(part.target, metadata_of(place.tenant_id, "load")) as line:
        await line.connected(CONNECT_S)
        restaurants = range(desk.number, place.scenario.floors.restaurants, part.processes)

        async def put_up(restaurant: int) -> None:
            names = ("PutRestaurant", "PutServicePolicy", "PutFloor")
            for name, request in zip(names, place.opening(restaurant), strict=True):
                await _put(line, name, request)

        await _all("restaurants", restaurants, put_up, desk)
        await desk.ready()
        visits = place.visits(desk.number, part.processes)

        async def book(number: int) -> None:
            await _put(line, "PutBooking", place.booking(visits[number]))

        await _all("bookings", range(len(visits)), book, desk)
        return await _shortest_ttl_s(line, place)


async def _all(
    what: str, numbers: Iterable[int], do: Callable[[int], Coroutine[Any, Any, None]], desk: Desk
) -> None:
    waiting = list(reversed(list(numbers)))
    total = len(waiting)

    async def caller() -> None:
        while waiting and not desk.stopping.is_set():
            await do(waiting.pop())
            if len(waiting) % REPORT_EVERY == 0:
                desk.report(Progress(what, total - len(waiting), total))

    async with together() as group:
        for _ in range(CALLERS):
            group.create_task(caller())


async def _put(line: Line, method: str, request: Message) -> None:
    """Once it is done; raises HinderedError when the server says no."""
    for attempt in range(1, ATTEMPTS_MAX + 1):
        reply = await line.send(PATHS[method], request.SerializeToString(), TIMEOUT_S)
        if reply.outcome is Outcome.OK:
            return
        if reply.outcome is Outcome.REFUSED and reply.reason != OVERLOADED:
            break
        await asyncio.sleep(min(0.05 * attempt, PAUSE_S_MAX))
    raise HinderedError(f"{method}: {reply.reason or reply.status}: {_message(reply)}")


async def _shortest_ttl_s(line: Line, place: Place) -> float:
    """Asks for a hold of nothing for a second: a server that lets a hold be so short looks at the rest of the
    request.
    """
    request = HoldTablesRequest(
        request_id=str(place.run_id),
        restaurant_id=place.restaurant_id(0),
        booking_id=str(place.run_id),
        table_ids=[place.table_ids(0)[0]],
        ttl=duration(timedelta(seconds=SHORTEST_TTL_S)),
    )
    reply = await line.send(PATHS["HoldTables"], request.SerializeToString(), TIMEOUT_S)
    if reply.reason != "HOLD_TTL_OUT_OF_RANGE":
        return SHORTEST_TTL_S
    metadata = decode_details(status_pb2.Status.FromString(reply.details)).metadata
    return float(metadata["ttl_s_min"])


def _message(reply: Reply) -> str:
    return str(status_pb2.Status.FromString(reply.details).message) or "no answer"
