"""The load that meets the faults: client processes that repeat every change until they know what became of it."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from uuid import UUID, uuid5

from loadgen.acting.asking import Found
from loadgen.acting.load_job import Pulse
from loadgen.running import LoadPlan, LoadRun
from loadgen.scenario import Scenario
from server.torture.clock import SetClock

NAMESPACE = UUID("0d9c7e4e-54f1-4d4e-8a5c-6d2b3d3b6a01")
# Whoever runs it stops it when the last fault is over; nothing lasts longer than this.
DURATION_S_MAX = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Burden:
    """How much load: for `duration_s`, or until so many `operations` have begun. `clients` are processes, each of them
    with so many `lines`, which are connections. A caller waits `timeout_s` for an answer before it asks again.
    """

    scenario: Scenario
    in_flight: int
    clients: int
    lines: int
    timeout_s: float
    duration_s: float | None
    operations: int | None

    def plan(self, address: str, seed: int, history: Path, clock: SetClock) -> LoadPlan:
        """Without an end of its own, so that no fault comes when nobody calls any more."""
        return LoadPlan(
            scenario=self.scenario,
            target=address,
            processes=self.clients,
            seed=str(seed),
            in_flight=self.in_flight,
            duration_s=DURATION_S_MAX,
            lines=self.lines,
            timeout_s=self.timeout_s,
            history=history,
            run_id=uuid5(NAMESPACE, str(seed)),
            wall=clock,
        )


@dataclass(slots=True)
class Load:
    """A load that runs until `stop`, and knows how far it is. `began` is monotonic."""

    burden: Burden
    running: LoadRun
    began: float = 0.0
    _pulses: dict[int, Pulse] = field(default_factory=dict)

    async def run(self) -> Found:
        """What all clients found together."""
        self.began = monotonic()
        return (await self.running.drive(self._pulses.__setitem__)).found

    def stop(self) -> None:
        self.running.stop()

    @property
    def progress(self) -> float:
        """The part of the run that is over, from 0 to 1."""
        if self.began == 0.0:
            return 0.0
        if self.burden.operations is not None:
            return min(1.0, self.pulse["operations"] / self.burden.operations)
        assert self.burden.duration_s is not None, "there is one of the two"
        return min(1.0, (monotonic() - self.began) / self.burden.duration_s)

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
