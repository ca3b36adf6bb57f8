"""How far a load is, for people who watch."""

from time import monotonic
from types import TracebackType
from typing import Self

from loadgen.acting.load_job import Pulse
from loadgen.acting.preparing import Progress
from loadgen.running import LoadPlan
from server.cli.output import errors, note

# Where nobody watches a terminal a line now and then is enough.
LINE_EVERY_S = 5.0


class _Shown:
    """One line that changes on a terminal, and a line now and then elsewhere."""

    def __init__(self, text: str) -> None:
        self._status = errors().status(text) if errors().is_terminal else None
        self._said_at = monotonic()

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def say(self, text: str) -> None:
        if self._status is not None:
            self._status.update(text)
        elif monotonic() - self._said_at >= LINE_EVERY_S:
            self._said_at = monotonic()
            note(text)


class PreparingProgress(_Shown):
    """Restaurants and bookings that have been put up by all processes."""

    def __init__(self) -> None:
        super().__init__("preparing …")
        self._latest: dict[tuple[str, int], Progress] = {}

    def told(self, number: int, progress: Progress) -> None:
        self._latest[progress.what, number] = progress
        of_all = [latest for (what, _), latest in self._latest.items() if what == progress.what]
        self.say(
            f"{sum(latest.done for latest in of_all):,} of {sum(latest.total for latest in of_all):,} {progress.what}"
        )


class DrivingProgress(_Shown):
    """Rates since the last line, summed over the processes."""

    def __init__(self, plan: LoadPlan) -> None:
        super().__init__("connecting …")
        self._plan = plan
        self._latest: dict[int, Pulse] = {}
        self._before: dict[int, Pulse] = {}
        self._began = self._looked_at = monotonic()

    def told(self, number: int, pulse: Pulse) -> None:
        self._latest[number] = pulse
        now = monotonic()
        elapsed_s = now - self._looked_at
        if len(self._latest) < self._plan.processes or elapsed_s < 1.0:
            return
        self.say(self._line(now, elapsed_s))
        self._before, self._looked_at = dict(self._latest), now

    def _line(self, now: float, elapsed_s: float) -> str:
        def per_s(name: str) -> str:
            latest = sum(getattr(pulse, name) for pulse in self._latest.values())
            before = sum(getattr(pulse, name) for pulse in self._before.values())
            return f"{(latest - before) / elapsed_s:,.0f}"

        in_flight = sum(pulse.in_flight for pulse in self._latest.values())
        operations = sum(pulse.operations for pulse in self._latest.values())
        return (
            f"{now - self._began:.0f} s · {operations:,} operations · per second: {per_s('ok')} done, "
            f"{per_s('refused')} refused, {per_s('unknown')} unknown · {in_flight:,} in flight"
        )
