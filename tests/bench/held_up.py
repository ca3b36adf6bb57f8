"""How long heavy calls about the largest floors hold up others.

`python -m tests.bench.held_up` has one caller ask a server for nothing, one call after the other, while a second caller
sends heavy calls about a floor of 1,000 tables with 24,804 merges. For each kind it prints the median of the heavy
call itself, and of the calls for nothing meanwhile the median, the 99th percentile and the longest, in milliseconds.
"""

import datetime as dt
from collections.abc import Sequence
from itertools import combinations
from uuid import UUID, uuid4

import uvloop

from loadgen.driving import CallsPart, ClientProcesses, Histogram, metadata_of, send_calls
from maitred_client import AsyncMaitredClient
from maitred_client.messages import Adjacency, Floor, GetFloorRequest, PutFloorRequest, Table, Zone
from server.bench.calls import EMPTY, Call, plan_call, search_call
from server.bench.floors import open_house
from server.bench.ground import own_ground
from server.bench.programs import server
from server.bench.stage import TENANT, opening

INVENTORY = "/maitred.v1.InventoryService"
TABLES, MOVABLE = 1_000, 53
PARTY = 6
WAITING = 50
QUESTIONS = 500
SECONDS = 10.0
CHANGES = 10
TIMEOUT_S = 60.0


def largest_floor() -> Floor:
    """Movable tables that all touch each other, as many as there may be merges of, among others that stay alone."""
    zone = Zone(zone_id=str(uuid4()), name="Hall")
    tables = [
        Table(
            table_id=str(uuid4()),
            zone_id=zone.zone_id,
            name=f"T{number}",
            capacity=3 if number < MOVABLE else 2,
            movable=number < MOVABLE,
        )
        for number in range(TABLES)
    ]
    touching = combinations([table.table_id for table in tables[:MOVABLE]], 2)
    return Floor(
        zones=[zone], tables=tables, adjacency=[Adjacency(table_a=a, table_b=b) for a, b in touching]
    )


def questions(restaurant_id: UUID) -> Call:
    """Every quarter of an hour of ten days, in turn for parties of two to nine."""
    quarters = (
        opening() + dt.timedelta(days=number // 50, minutes=15 * (number % 50)) for number in range(QUESTIONS)
    )
    return search_call(restaurant_id, [(2 + number % 8, start) for number, start in enumerate(quarters)])


def changes(restaurant_id: UUID, floor: Floor) -> Sequence[Call]:
    """The whole floor again and again, each time with another name for one table."""
    made = []
    for number in range(CHANGES):
        request = PutFloorRequest(request_id=str(uuid4()), restaurant_id=str(restaurant_id), floor=floor)
        request.floor.tables[0].name = f"Window {number}"
        made.append((f"{INVENTORY}/PutFloor", request.SerializeToString()))
    return made


async def heavy_calls(address: str) -> dict[str, Sequence[Call]]:
    floor = largest_floor()
    async with AsyncMaitredClient(address, tenant_id=TENANT, timeout_s=TIMEOUT_S) as client:
        houses = [await open_house(client, floor) for _ in range(2)]
        for _ in range(WAITING):
            await houses[1].book(opening(), PARTY)
    quiet, awaited = (UUID(house.restaurant_id) for house in houses)
    floor_of_quiet = GetFloorRequest(restaurant_id=str(quiet)).SerializeToString()
    return {
        "nothing": (),
        "plans": [plan_call(quiet, PARTY, opening())],
        "plans while 50 wait": [plan_call(awaited, PARTY, opening())],
        "searches of 500 questions": [questions(quiet)],
        "reading the floor": [(f"{INVENTORY}/GetFloor", floor_of_quiet)],
        # Last: it has the floor prepared anew for whoever asks next.
        "writing the floor": changes(quiet, floor),
    }


async def measured(callers: ClientProcesses, address: str, calls: Sequence[Call]) -> Sequence[Histogram]:
    """Latencies of the calls for nothing, and of the heavy calls if there are any."""
    metadata = metadata_of(TENANT, "bench")
    parts = [CallsPart(address, metadata, [EMPTY], 1, duration_s=SECONDS)]
    if calls:
        lasting = SECONDS if len(calls) == 1 else None
        parts.append(CallsPart(address, metadata, calls, 1, duration_s=lasting, timeout_s=TIMEOUT_S))
    tallies = await callers.run(send_calls, parts)
    for tally in tallies:
        refused = {reply for reply in tally.replies if reply[1] != "OK"}
        assert not refused, f"every call succeeds, and not: {refused}"
    return [tally.latency() for tally in tallies]


def ms(nanoseconds: float) -> str:
    return f"{nanoseconds / 1e6:9.1f}"


async def main() -> None:
    async with own_ground(print) as ground, server(ground.url) as address, ClientProcesses(2) as callers:
        print(
            f"{'meanwhile':28} {'itself':>9} | {'median':>9} {'p99':>9} {'longest':>9}   of calls for nothing, ms"
        )
        for name, calls in (await heavy_calls(address)).items():
            empty, *heavy = await measured(callers, address, calls)
            itself = ms(heavy[0].percentile(50)) if heavy else " " * 9
            print(
                f"{name:28} {itself} | {ms(empty.percentile(50))} {ms(empty.percentile(99))} {ms(empty.most)}"
            )


if __name__ == "__main__":
    uvloop.run(main())
