"""Leases what waits, delivers it, and settles it: many restaurants at a time, each in order."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog

from server.clock import Deadline
from server.lifecycle import end_task
from server.outbox.delivery import Delivery
from server.outbox.events import Outcome, Run, Settlement
from server.outbox.ports import EventQueue
from server.telemetry.pulse import Pulse

log = structlog.get_logger(__name__)

ResultT = TypeVar("ResultT")

OUTCOMES = {Outcome.DONE: "delivered", Outcome.PENDING: "retried", Outcome.DEAD: "dead"}
UNSETTLED = "unsettled"
# One short statement, for a relay that is stopped meanwhile.
CLAIM_S = 3.0
# The same for what was delivered: a database that says nothing would keep it for whole leases.
SETTLE_S = 5.0


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """`runs_max` restaurants are in work at a time, with up to `events_max` events each; up to as many again have been
    delivered and are being settled meanwhile. Seconds otherwise.

    Every `poll_s` the relay looks for itself, and for new restaurants; `lease_s` is how long a lease lasts unextended.
    """

    runs_max: int
    events_max: int
    poll_s: float
    lease_s: float


class Relay:
    """One worker's relay. `start`, `stop`; `wake` says that something was committed; `run_once` is one round alone.

    What the queue raises is logged and tried again: nothing ends a relay that was started but `stop`. `pulses` tell how
    it is doing at each of the things that it asks of the queue. `deliveries` counts events by what became of them:
    delivered, retried later, dead, or unsettled because the lease was lost meanwhile or the database did not answer.
    """

    def __init__(self, queue: EventQueue, delivery: Delivery, settings: RelaySettings) -> None:
        self._queue = queue
        self._delivery = delivery
        self._settings = settings
        self._claiming: asyncio.Future[tuple[Run, ...]] | None = None
        self._in_work: dict[asyncio.Task[None], Run] = {}
        self._settled: asyncio.Queue[Settlement] = asyncio.Queue()
        self._unsettled = 0
        self._woken = asyncio.Event()
        self._more = False
        self._next_look = Deadline.after(0.0)
        self._tasks: list[asyncio.Task[None]] = []
        # A question that takes longer than a lease lasts is no use to anybody.
        self._adopting, self._leasing, self._settling, self._extending = self.pulses = tuple(
            Pulse(f"relay_{name}", settings.lease_s) for name in ("adopt", "lease", "settle", "extend")
        )
        self.deliveries: Counter[str] = Counter()

    @property
    def restaurants_leased(self) -> int:
        """How many restaurants are in hand right now."""
        return len(self._in_work)

    async def run_once(self) -> int:
        """Leases, delivers and settles once; the number of events that were answered for."""
        await self._queue.adopt()
        runs = await self._queue.claim(self._settings.runs_max, self._settings.events_max)
        settlements = await asyncio.gather(*(self._delivery(run) for run in runs))
        if settlements:
            await self._settle(settlements)
        return sum(len(settlement.answers) for settlement in settlements)

    async def start(self) -> None:
        loops = (
            (self._fill, self._leasing),
            (self._settle_what_is_ready, self._settling),
            (self._extend, self._extending),
        )
        for loop, pulse in loops:
            task = asyncio.create_task(loop(), name=pulse.service)
            task.add_done_callback(partial(self._complain, pulse))
            self._tasks.append(task)

    async def stop(self) -> None:
        """Leases nothing more, cuts handlers short, and settles what was delivered. Twice is harmless.

        What a database that says nothing does not settle in time is delivered again.
        """
        if not self._tasks:
            return
        fill, settle, extend = self._tasks
        self._tasks = []
        for task in (fill, extend):
            await end_task(task)
        await self._return_what_was_claimed()
        for task in tuple(self._in_work):
            await end_task(task)
        try:
            async with asyncio.timeout(SETTLE_S):
                await self._settled.join()
        except TimeoutError:
            log.warning("runs_not_settled", runs=self._unsettled, problem=f"no answer within {SETTLE_S:g} s")
        await end_task(settle)

    def wake(self) -> None:
        """Something was committed: look now."""
        self._woken.set()

    async def _fill(self) -> None:
        """Keeps as many restaurants in work as there is room for, while those before them are settled."""
        while True:
            self._woken.clear()
            if self._next_look.passed:
                # However often it is woken: nobody announces that a restaurant has no stream yet.
                self._next_look = Deadline.after(self._settings.poll_s)
                await self._adopt()
            room = self._room
            if room:
                runs = await self._lease(room)
                for run in runs:
                    self._begin(run)
                self._claiming = None
                # Fewer than there was room for are all there were; whatever is committed or settled from now on wakes.
                self._more = len(runs) == room
            if not room or not self._more:
                await self._wait_for_work()

    @property
    def _room(self) -> int:
        """For how many more restaurants there is room. While settling is slow, only as many again wait for it."""
        runs_max = self._settings.runs_max
        return max(0, min(runs_max, 2 * runs_max - self._unsettled) - len(self._in_work))

    async def _lease(self, room: int) -> tuple[Run, ...]:
        """Is not cut short: whoever leases has to know what, to give it back."""
        self._claiming = asyncio.ensure_future(self._queue.claim(room, self._settings.events_max))
        try:
            with self._leasing.round():
                return await asyncio.shield(self._claiming)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the relay looks again later
            log.warning("outbox_not_readable", **_told(problem))
            return ()

    async def _return_what_was_claimed(self) -> None:
        """What was leased as the relay was stopped is settled as it is, instead of passing for that of a worker that
        died."""
        claiming, self._claiming = self._claiming, None
        if claiming is None:
            return
        await asyncio.wait([claiming], timeout=CLAIM_S)
        if not claiming.done():
            # The database says nothing: the session goes, and its leases with it.
            claiming.cancel()
        elif claiming.exception() is None:
            for run in claiming.result():
                self._hand_in(Settlement(run, run.settled, ()))

    async def _wait_for_work(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._next_look.remaining_s()):
                await self._woken.wait()

    async def _adopt(self) -> None:
        try:
            with self._adopting.round():
                await self._queue.adopt()
        except Exception as problem:  # noqa: BLE001 - the same
            log.warning("outbox_not_readable", **_told(problem))

    def _begin(self, run: Run) -> None:
        """Delivers a run. One of the same restaurant that is still in work has lost its lease, and is cut short."""
        for earlier, other in self._in_work.items():
            if other.restaurant_id == run.restaurant_id:
                earlier.cancel()
        task = asyncio.create_task(self._deliver(run))
        self._in_work[task] = run
        task.add_done_callback(self._forget)

    async def _deliver(self, run: Run) -> None:
        self._hand_in(await self._delivery(run))

    def _hand_in(self, settlement: Settlement) -> None:
        self._settled.put_nowait(settlement)
        self._unsettled += 1

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._in_work.pop(task, None)
        if self._more:
            self._woken.set()

    async def _settle_what_is_ready(self) -> None:
        """One statement for all runs that came to their end while the one before was under way."""
        while True:
            ready = [await self._settled.get()]
            while not self._settled.empty():
                ready.append(self._settled.get_nowait())
            try:
                with self._settling.round():
                    await self._settle(ready)
            except Exception as problem:  # noqa: BLE001 - the leases run out, and the events are delivered again
                self.deliveries[UNSETTLED] += sum(len(settlement.answers) for settlement in ready)
                log.warning("runs_not_settled", runs=len(ready), **_told(problem))
            finally:
                self._unsettled -= len(ready)
                for _ in ready:
                    self._settled.task_done()
            self._woken.set()

    async def _insisting(self, ask: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Asks once more, on another connection, when one breaks or says nothing: else leases run out over it.

        Whatever became of the first question, the second does no harm, because both are fenced.
        """
        answer_s = self._settings.lease_s / 3
        try:
            async with asyncio.timeout(answer_s):
                return await ask()
        except Exception as problem:  # noqa: BLE001 - the second time it is raised
            log.warning("leases_asked_for_again", **_told(problem))
            async with asyncio.timeout(answer_s):
                return await ask()

    async def _settle(self, settlements: list[Settlement]) -> None:
        try:
            held = await self._insisting(lambda: self._queue.settle(settlements))
        except Exception:
            await self._give_back(settlements)
            raise
        for settlement in settlements:
            if settlement.run.lease in held:
                self.deliveries.update(OUTCOMES[answer.outcome] for answer in settlement.answers)
            else:
                self.deliveries[UNSETTLED] += len(settlement.answers)
                log.warning(
                    "lease_lost",
                    restaurant_id=str(settlement.run.restaurant_id),
                    lease_number=settlement.run.lease_number,
                    events=len(settlement.answers),
                )

    async def _give_back(self, settlements: list[Settlement]) -> None:
        """Leases that run out are taken for those of the dead, and their events for what killed them."""
        try:
            async with asyncio.timeout(self._settings.lease_s / 3):
                await self._queue.give_back([settlement.run for settlement in settlements])
        except Exception as problem:  # noqa: BLE001 - the database is away, and forgets its sessions or comes back
            log.warning("leases_not_given_back", **_told(problem))

    async def _extend(self) -> None:
        """Leases are kept as long as their runs are in work; a run whose lease is gone is cut short."""
        while True:
            await asyncio.sleep(self._settings.lease_s / 3)
            runs = dict(self._in_work)
            if not runs:
                continue
            try:
                with self._extending.round():
                    held = await self._insisting(partial(self._queue.extend, tuple(runs.values())))
            except Exception as problem:  # noqa: BLE001 - the next time may come before the leases run out
                log.warning("leases_not_extended", **_told(problem))
                continue
            for task, run in runs.items():
                if run.lease not in held:
                    task.cancel()

    def _complain(self, pulse: Pulse, task: asyncio.Task[None]) -> None:
        """A loop ends when it is stopped; anything else is a fault of ours that must not go unseen."""
        if task in self._tasks:
            pulse.end()
            log.critical("relay_broken", loop=pulse.service, exc_info=_problem_of(task))


def _told(problem: Exception) -> dict[str, str]:
    return {"problem": f"{type(problem).__name__}: {problem}", "cause": repr(problem.__cause__)}


def _problem_of(task: asyncio.Task[None]) -> BaseException | None:
    return None if task.cancelled() else task.exception()
