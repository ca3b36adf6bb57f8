"""The load that meets the faults: client processes that repeat every change until they know what became of it."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from uuid import UUID, uuid5

from loadgen.acting.asking import Found
from loadgen.acting.load_job import LoadPart, Pulse, act
from loadgen.acting.preparing import PreparePart, prepare
from loadgen.driving import ClientProcesses
from loadgen.place import Place
from loadgen.scenario import Scenario
from server.torture.clock import SetClock

NAMESPACE = UUID("0d9c7e4e-54f1-4d4e-8a5c-6d2b3d3b6a01")
DAYS_AHEAD = 30
# What a caller waits for an answer before it asks again.
CALL_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """`lines` are connections of each client process. The load ends after `duration_s`, or with `operations`."""

    scenario: Scenario
    seed: int
    in_flight: int
    clients: int
    lines: int
    duration_s: float | None
    operations: int | None


@dataclass(slots=True)
class Load:
    """Runs until it is told to stop, so that no fault comes when nobody calls any more. `began` is monotonic."""

    plan: LoadPlan
    address: str
    history: Path
    clock: SetClock
    processes: ClientProcesses
    began: float = 0.0
    _pulses: dict[int, Pulse] = field(default_factory=dict)

    async def prepare(self) -> float:
        """Puts up restaurants and bookings; returns the shortest life of a hold, in seconds."""
        part = PreparePart(self.place, self.address, self.plan.clients)
        return max(await self.processes.run(prepare, [part] * self.plan.clients))

    async def run(self, shortest_ttl_s: float) -> Found:
        """Until `stop`; what all clients found together."""
        plan, clients = self.plan, self.plan.clients
        parts = [
            LoadPart(
                place=self.place,
                target=self.address,
                processes=clients,
                seed=str(plan.seed),
                in_flight=plan.in_flight // clients + (number < plan.in_flight % clients),
                per_s=None,
                steady=False,
                operations=None,
                duration_s=None,
                shortest_ttl_s=shortest_ttl_s,
                lines=plan.lines,
                timeout_s=CALL_TIMEOUT_S,
                history=self.history,
                wall=self.clock,
            )
            for number in range(clients)
        ]
        self.began = monotonic()
        first, *others = await self.processes.run(act, parts, self._pulsed)
        for other in others:
            first.merge(other)
        return first

    def stop(self) -> None:
        self.processes.stop()

    @property
    def place(self) -> Place:
        """The same restaurants and bookings for the same seed, in the future."""
        first_day = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=DAYS_AHEAD)
        return Place(self.plan.scenario, uuid5(NAMESPACE, str(self.plan.seed)), first_day)

    @property
    def progress(self) -> float:
        """The part of the run that is over, from 0 to 1."""
        if self.began == 0.0:
            return 0.0
        if self.plan.operations is not None:
            return min(1.0, self.pulse["operations"] / self.plan.operations)
        assert self.plan.duration_s is not None, "a plan has one of the two"
        return min(1.0, (monotonic() - self.began) / self.plan.duration_s)

    @property
    def pulse(self) -> Counter[str]:
        """What the clients told last, together: operations, answers by outcome, calls in flight."""
        told: Counter[str] = Counter()
        for pulse in self._pulses.values():
            told.update(
                operations=pulse.operations,
                ok=pulse.ok,
                refused=pulse.refused,
                unknown=pulse.unknown,
                in_flight=pulse.in_flight,
            )
        return told

    def _pulsed(self, number: int, pulse: object) -> None:
        assert isinstance(pulse, Pulse), "the job tells nothing else"
        self._pulses[number] = pulse
