"""A whole load: client processes prepare what it needs, make it together, and what they found is one."""

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic_ns
from types import TracebackType
from typing import Self, TypeAlias
from uuid import UUID, uuid4

from loadgen.acting.asking import Found
from loadgen.acting.lives import Wall
from loadgen.acting.load_job import LoadPart, Pulse, act
from loadgen.acting.preparing import PreparePart, Progress, prepare
from loadgen.driving import ClientProcesses, Tally
from loadgen.place import Place
from loadgen.scenario import Scenario

# Tomorrow may be over soon somewhere; the day after is far enough for every load.
DAYS_AHEAD = 2


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What load is made, on which server.

    Without `per_s` the loop is closed: `in_flight` callers each wait for their answers. With it the loop is open:
    `per_s` operations begin in a second, at random or, when `steady`, at equal distances, and `in_flight` is the most
    that may be under way. Operations, rate and in flight are those of all processes together. `history` is a folder
    without histories in it. Raises ValueError when something does not fit together.
    """

    scenario: Scenario
    target: str
    processes: int
    seed: str
    in_flight: int
    per_s: float | None = None
    steady: bool = False
    operations: int | None = None
    duration_s: float | None = None
    lines: int = 2
    timeout_s: float = 10.0
    history: Path | None = None
    run_id: UUID = field(default_factory=uuid4)
    wall: Wall = time.time

    def __post_init__(self) -> None:
        for name in ("processes", "in_flight", "lines", "timeout_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it has to be above 0")
        if self.operations is None and self.duration_s is None:
            raise ValueError("a load needs a number of operations, a duration, or both")
        if self.in_flight < self.processes:
            raise ValueError(
                f"{self.processes} processes need at least as many in flight, not {self.in_flight}"
            )
        if self.scenario.bookings.count < self.processes:
            raise ValueError(f"{self.processes} processes need at least as many bookings")
        if self.history is not None and any(self.history.glob("client-*.jsonl")):
            raise ValueError(f"{self.history} has a history already")


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What came of a load. `began_at` is in UTC; `stopped` says that somebody ended it before its time."""

    plan: LoadPlan
    found: Found
    began_at: dt.datetime
    preparing_s: float
    stopped: bool


OnProgress: TypeAlias = Callable[[int, Progress], None]
OnPulse: TypeAlias = Callable[[int, Pulse], None]


class LoadRun:
    """The processes of one load: `prepare`, then `drive`. Leaving the block ends them."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        first_day = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=DAYS_AHEAD)
        self.place = Place(plan.scenario, plan.run_id, first_day)
        self._clients = ClientProcesses(plan.processes)
        self._shortest_ttl_s = 0.0
        self._preparing_s = 0.0
        self._stopped = False

    async def __aenter__(self) -> Self:
        await self._clients.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._clients.__aexit__(kind, error, trace)

    async def prepare(self, on_progress: OnProgress = lambda _number, _progress: None) -> None:
        """Puts restaurants and bookings up. Raises HinderedError when the server refuses them."""
        began_ns = monotonic_ns()
        part = PreparePart(self.place, self._plan.target, self._plan.processes)
        found = await self._clients.run(prepare, [part] * self._plan.processes, on_progress)
        self._shortest_ttl_s = max(found)
        self._preparing_s = (monotonic_ns() - began_ns) / 1e9

    async def drive(self, on_pulse: OnPulse = lambda _number, _pulse: None) -> LoadResult:
        """Makes the load until its end, or until it is stopped."""
        began_at = dt.datetime.now(dt.UTC)
        found = Found(Tally())
        parts = [self._part(number) for number in range(self._plan.processes)]
        for of_one in await self._clients.run(act, parts, on_pulse):
            found.merge(of_one)
        return LoadResult(self._plan, found, began_at, self._preparing_s, self._stopped)

    def stop(self) -> None:
        """Lets what is under way end and begins nothing else."""
        self._stopped = True
        self._clients.stop()

    def _part(self, number: int) -> LoadPart:
        plan, count = self._plan, self._plan.processes
        return LoadPart(
            place=self.place,
            target=plan.target,
            processes=count,
            seed=plan.seed,
            in_flight=_share(plan.in_flight, count, number),
            per_s=None if plan.per_s is None else plan.per_s / count,
            steady=plan.steady,
            operations=None if plan.operations is None else _share(plan.operations, count, number),
            duration_s=plan.duration_s,
            shortest_ttl_s=self._shortest_ttl_s,
            lines=plan.lines,
            timeout_s=plan.timeout_s,
            history=plan.history,
            wall=plan.wall,
        )


def _share(total: int, processes: int, number: int) -> int:
    """What one of the processes has of something that is divided as evenly as it can be."""
    return total // processes + (number < total % processes)
