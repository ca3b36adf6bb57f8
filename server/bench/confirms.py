"""What outbox and wake-ups cost those who confirm: the same calls with them and without, in turns."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from statistics import median
from typing import TypeAlias
from uuid import uuid4

from maitred_client import AsyncMaitredClient
from maitred_client.messages import ConfirmHoldRequest
from server.bench import programs
from server.bench.figures import Figure, Findings, ratio
from server.bench.floors import House, Seat, floor_in_rows, open_house
from server.bench.ground import Ground, Stopwatch
from server.bench.processor import watched
from server.bench.sizes import OutboxSizes
from server.persistence.switches import Position, SwitchName, turn_switch

RESTAURANTS, TABLES = 32, 10
CALLERS = (8, 32)
KEPT = frozenset(f"confirm_kept_{callers}" for callers in CALLERS)
PREPARING_CALLERS = 16
DRAIN_LOOK_S = 0.05
# A slice is long enough that its end, when callers run out of work, hardly counts, and short beside the minutes in
# which a machine becomes faster or slower.
SLICE_CONFIRMS, SLICES_MIN = 200, 2

Stock: TypeAlias = Iterator[tuple[House, Seat]]
ByCallers: TypeAlias = defaultdict[int, list[float]]


def _nothing_yet() -> ByCallers:
    return defaultdict(list)


@dataclass(frozen=True, slots=True)
class Side:
    """A server, with or without outbox, and the client that calls it. By callers: confirms per second of each slice,
    and milliseconds of processor time of a confirm in each turn.
    """

    client: AsyncMaitredClient
    rates: ByCallers = field(default_factory=_nothing_yet)
    processor_ms: ByCallers = field(default_factory=_nothing_yet)


Sides: TypeAlias = tuple[Side, Side, Side]
"""Without outbox, with it, and with a worker that delivers."""


async def measure_confirms(ground: Ground, sizes: OutboxSizes) -> Findings:
    """Servers in processes of their own, with and without: those without neither write events nor announce.

    A worker listens and is woken all along. While it only looks, delivery being paused, what is measured is what the
    outbox adds to a confirm; a third turn has it deliver to the telemetry sink on the same cores.
    """
    await ground.events.clear()
    async with AsyncExitStack() as stack:
        tenant = uuid4()
        # Who has made a hold confirms it with less work than another server, so a third one makes them for both.
        holding, without, complete = [
            await stack.enter_async_context(
                AsyncMaitredClient(
                    await stack.enter_async_context(programs.server(ground.url, with_outbox=outbox)),
                    tenant_id=tenant,
                )
            )
            for outbox in (False, False, True)
        ]
        await stack.enter_async_context(programs.worker(ground.url))
        houses = [
            await open_house(holding, floor_in_rows(TABLES)) for _ in range(min(RESTAURANTS, sizes.confirms))
        ]
        stock = _stock(houses)
        for repeat in range(sizes.repeats + 1):
            ground.report(f"confirms, repeat {repeat} of {sizes.repeats}")
            if repeat <= 1:
                # What the first turn finds is thrown away: it warms everything up.
                sides = Side(without), Side(complete), Side(complete)
            for callers in CALLERS:
                await _turn(ground, stock, sides, callers, sizes.confirms)
        await _deliver(ground, wanted=True)
    return _findings(*sides)


async def _turn(ground: Ground, stock: Stock, sides: Sides, callers: int, count: int) -> None:
    """Each side confirms in slices that take turns, so that whatever else the machine does falls on all alike."""
    off, on, delivering = sides
    await _deliver(ground, wanted=False)
    slices = max(SLICES_MIN, count // SLICE_CONFIRMS)
    each = -(-count // slices)
    processor = [0.0, 0.0]
    for turn in range(slices):
        # Who begins takes turns as well.
        for which in (0, 1) if turn % 2 == 0 else (1, 0):
            processor[which] += await _slice(stock, (off, on)[which], callers, each)
    for side, used in zip((off, on), processor, strict=True):
        side.processor_ms[callers].append(used / (slices * each))
    await _deliver(ground, wanted=True)
    while await ground.events.left():  # noqa: ASYNC110 the database tells nobody
        await asyncio.sleep(DRAIN_LOOK_S)
    for _ in range(slices):
        await _slice(stock, delivering, callers, each)


async def _slice(stock: Stock, side: Side, callers: int, count: int) -> float:
    """Notes the rate, and says how many milliseconds of processor time were used."""
    holds = await _holds(stock, count)
    with watched() as processor:
        seconds = await _seconds(side.client, holds, callers)
    side.rates[callers].append(count / seconds)
    return sum(processor.ms.values())


def _findings(off: Side, on: Side, delivering: Side) -> Findings:
    figures: list[Figure] = []
    behind: dict[str, float] = {}
    for callers in CALLERS:
        without, kept, beside = (side.rates[callers] for side in (off, on, delivering))
        used, used_kept = off.processor_ms[callers], on.processor_ms[callers]
        figures += [
            ratio(f"confirm_kept_{callers}", kept, without),
            ratio(f"confirm_kept_{callers}_delivering", beside, without),
            ratio(f"confirm_kept_{callers}_processor", used, used_kept),
        ]
        behind[f"confirm_without_outbox_{callers}_per_s"] = median(without)
        behind[f"confirm_{callers}_per_s"] = median(kept)
        behind[f"confirm_without_outbox_{callers}_processor_ms"] = median(used)
        behind[f"confirm_{callers}_processor_ms"] = median(used_kept)
    worst = min((figure for figure in figures if figure.key in KEPT), key=lambda figure: figure.value or 0.0)
    return Findings((replace(worst, key="confirm_kept"), *figures), behind)


def _stock(houses: Sequence[House]) -> Stock:
    """One restaurant after the other, each time another table or another time."""
    seats = {house.restaurant_id: house.seats() for house in houses}
    return ((house, next(seats[house.restaurant_id])) for house in cycle(houses))


async def _holds(stock: Stock, count: int) -> list[ConfirmHoldRequest]:
    """Holds to confirm, made through a server that tells nobody of them."""
    waiting = list(islice(stock, count))
    held: list[ConfirmHoldRequest] = []

    async def caller() -> None:
        while waiting:
            house, seat = waiting.pop()
            held.append(await house.hold(seat))

    await asyncio.gather(*(caller() for _ in range(PREPARING_CALLERS)))
    return held


async def _seconds(client: AsyncMaitredClient, requests: list[ConfirmHoldRequest], callers: int) -> float:
    async def caller() -> None:
        while requests:
            await client.confirm_hold(requests.pop())

    watch = Stopwatch()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return watch.seconds


async def _deliver(ground: Ground, *, wanted: bool) -> None:
    position = Position.RUNNING if wanted else Position.PAUSED
    await turn_switch(ground.url, SwitchName.RELAY, position, "bench", "measuring")
