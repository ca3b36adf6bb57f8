"""The load of one client process."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from loadgen.acting.asking import Caller, Found, Manners
from loadgen.acting.lives import Lives, Standing, Wall
from loadgen.acting.verbs import VERBS, Scene
from loadgen.checking.history import HistoryWriter
from loadgen.driving import (
    Desk,
    Limit,
    Outcome,
    closed_loop,
    fixed_arrivals,
    lines_to,
    metadata_of,
    open_loop,
    poisson_arrivals,
)
from loadgen.place import Place
from loadgen.scenario import Scenario

PULSE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class LoadPart:
    """What one of `processes` client processes does; they are numbered by their desks.

    With `per_s` it drives an open loop of so many operations a second, else a closed loop; either has at most
    `in_flight` operations under way. `operations` and `duration_s` end it, whichever comes first. `steady` arrivals
    come at equal distances instead of at random. With `history` every call is written down in that folder. `wall` is
    what callers take the time of day from; it goes to another process.
    """

    place: Place
    target: str
    processes: int
    seed: str
    in_flight: int
    per_s: float | None
    steady: bool
    operations: int | None
    duration_s: float | None
    shortest_ttl_s: float
    lines: int
    timeout_s: float
    history: Path | None
    wall: Wall


@dataclass(frozen=True, slots=True)
class Pulse:
    """How a process is doing: counts since it began, and what is under way now."""

    operations: int
    ok: int
    refused: int
    unknown: int
    in_flight: int


async def act(part: LoadPart, desk: Desk) -> Found:
    """The job of making load: begins when all processes are connected, and tells a `Pulse` every second."""
    chance = Random(f"{part.seed} {desk.number}")
    scenario = part.place.scenario
    async with AsyncExitStack() as stack:
        metadata = metadata_of(part.place.tenant_id, f"load-{desk.number}")
        lines = await stack.enter_async_context(lines_to(part.target, metadata, part.lines))
        writer = None
        if part.history is not None:
            writer = HistoryWriter(part.history, desk.number, part.seed)
            stack.callback(writer.close)
        manners = Manners(scenario.answers, part.per_s is None, part.timeout_s)
        caller = Caller(lines, manners, chance, writer, desk.stopping)
        scene = Scene(part.place, caller, chance, part.shortest_ttl_s)
        visits = part.place.visits(desk.number, part.processes)
        lives = Lives(visits, scenario.driving, chance, part.wall)
        await desk.ready()
        pulse = asyncio.create_task(_tell(caller, desk))
        stack.callback(pulse.cancel)
        await _drive(part, desk, scene, lives)
    return caller.found


async def _drive(part: LoadPart, desk: Desk, scene: Scene, lives: Lives) -> None:
    choices = _choices(part.place.scenario)
    found = scene.caller.found

    async def operate(intended_ns: int) -> None:
        with lives.one() as life:
            verbs, weights = choices[life.standing]
            (verb,) = scene.chance.choices(verbs, weights)
            found.operations += 1
            await VERBS[verb](scene, life, intended_ns)

    limit = Limit(part.operations, part.duration_s, desk.stopping)
    if part.per_s is None:
        await closed_loop(operate, part.in_flight, limit)
        return
    chance = Random(f"{part.seed} {desk.number} arrivals")
    arrivals = fixed_arrivals(part.per_s) if part.steady else poisson_arrivals(part.per_s, chance)
    found.tally.missed = await open_loop(operate, arrivals, limit, part.in_flight)


def _choices(scenario: Scenario) -> dict[Standing, tuple[list[str], list[float]]]:
    """Verbs with their weights. Where a scenario has nothing to do with a booking it begins anew; whose booking is
    over makes another one.
    """
    choices = scenario.choices
    weights: dict[Standing, Mapping[Any, float]] = {
        Standing.PENDING: choices.pending,
        Standing.HELD: choices.held,
        Standing.EXPIRED: choices.expired,
        Standing.ASSIGNED: choices.assigned,
        Standing.CHECKED_IN: choices.checked_in or {"complete": 1.0},
        Standing.NO_SHOW: choices.no_show or {"undo_no_show": 1.0},
        Standing.OVER: {"come_again": 1.0},
    }
    return {
        standing: (list(verbs), list(verbs.values()))
        for standing, chosen in weights.items()
        for verbs in (chosen if sum(chosen.values()) else choices.pending,)
    }


async def _tell(caller: Caller, desk: Desk) -> None:
    while True:
        await asyncio.sleep(PULSE_S)
        found = caller.found
        outcomes = found.tally.outcomes()
        desk.report(
            Pulse(
                operations=found.operations,
                ok=outcomes[Outcome.OK],
                refused=outcomes[Outcome.REFUSED],
                unknown=outcomes[Outcome.UNKNOWN],
                in_flight=caller.in_flight,
            )
        )
