"""The outbox's `EventQueue` on PostgreSQL."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from uuid import UUID, uuid4

from server.outbox.events import LAST_POSITION, Lease, Place, Run, Settlement
from server.persistence.pool import InTime, Pool
from server.persistence.queries import load_queries
from server.persistence.rows import Row, outbox_event
from server.persistence.session import WORKER_LOCKS, WorkerSession

LEASES = load_queries("leases")
OUTBOX = load_queries("outbox")


class SqlEventQueue(InTime):
    """Leases through the worker's own session; everything else goes through the pool.

    Leasing raises `ServiceError` where the other calls raise `TimeoutError`. Restaurants that wait behind a dead event
    are only leased where `past_dead` is true.
    """

    def __init__(
        self, pool: Pool, session: WorkerSession, lease_s: float, timeout_s: float, *, past_dead: bool = False
    ) -> None:
        super().__init__(pool, timeout_s)
        self._session = session
        self._lease_s = lease_s
        self._past_dead = past_dead
        self._token = uuid4()

    async def claim(self, runs_max: int, events_max: int) -> tuple[Run, ...]:
        rows = await self._session.fetch_as_worker(
            LEASES["claim_streams"], self._token, self._lease_s, runs_max, events_max, self._past_dead
        )
        return tuple(_run(list(group)) for _, group in groupby(rows, lambda row: row["restaurant_id"]))

    async def settle(self, settlements: Sequence[Settlement]) -> frozenset[Lease]:
        settlements = _latest(settlements)
        answers = [(each.run.restaurant_id, answer) for each in settlements for answer in each.answers]
        rows = await self._fetch(
            LEASES["settle_streams"],
            self._token,
            [each.run.restaurant_id for each in settlements],
            [each.run.lease_number for each in settlements],
            [each.settled.floor_version for each in settlements],
            [each.settled.position for each in settlements],
            [each.delay_s for each in settlements],
            [each.blocked_by for each in settlements],
            [restaurant_id for restaurant_id, _ in answers],
            [answer.event_id for _, answer in answers],
            [answer.outcome.value for _, answer in answers],
            [answer.attempts for _, answer in answers],
            [answer.error for _, answer in answers],
            [answer.delay_s for _, answer in answers],
        )
        return _leases(rows)

    async def extend(self, runs: Sequence[Run]) -> frozenset[Lease]:
        return await self._fenced(LEASES["extend_leases"], runs)

    async def give_back(self, runs: Sequence[Run]) -> frozenset[Lease]:
        return await self._fenced(LEASES["give_leases_back"], runs)

    async def _fenced(self, query: str, runs: Sequence[Run]) -> frozenset[Lease]:
        rows = await self._fetch(
            query,
            self._token,
            [run.restaurant_id for run in runs],
            [run.lease_number for run in runs],
            self._lease_s,
        )
        return _leases(rows)

    async def free_orphans(self, events_max: int) -> tuple[UUID, ...]:
        """Takes the leases of workers that have died. The restaurants that were theirs.

        As many of their events as a lease may have covered are leased one by one from then on.
        """
        rows = await self._fetch(LEASES["free_orphans"], WORKER_LOCKS, events_max)
        return tuple(sorted(row["restaurant_id"] for row in rows))

    async def resume_streams(self) -> int:
        """Has restaurants go on that wait because the database's clock was set back; how many."""
        (row,) = await self._fetch(LEASES["resume_streams"], self._lease_s)
        return int(row["resumed"])

    async def adopt(self) -> None:
        await self._fetch(LEASES["adopt_restaurants"])

    async def lag_s(self) -> float:
        """How long the oldest event waits that is to be delivered, of all tenants; 0 when none waits."""
        (row,) = await self._fetch(OUTBOX["lag"])
        return float(row["lag_s"])

    async def dead(self) -> int:
        """How many events are dead, of all tenants."""
        (row,) = await self._fetch(OUTBOX["count_dead"])
        return int(row["dead"])

    async def delete_delivered(self, older_than_s: float, events_max: int) -> int:
        """Forgets delivered events, at most so many at a time, and says how many."""
        (row,) = await self._fetch(OUTBOX["delete_delivered"], older_than_s, events_max)
        return int(row["deleted"])


def _latest(settlements: Sequence[Settlement]) -> tuple[Settlement, ...]:
    """Of each restaurant that under its latest lease: an earlier one is over, whoever had it."""
    ordered = sorted(settlements, key=lambda each: each.run.lease_number)
    return tuple({each.run.restaurant_id: each for each in ordered}.values())


def _leases(rows: Iterable[Row]) -> frozenset[Lease]:
    return frozenset(Lease(row["restaurant_id"], row["lease_number"]) for row in rows)


def _run(rows: list[Row]) -> Run:
    first = rows[0]
    events = tuple(outbox_event(row) for row in rows if row["id"] is not None)
    settled = Place(first["settled_version"], first["settled_position"])
    # A run shorter than allowed has everything up to the version that was seen.
    last = events[-1].place if events else settled
    end = (
        last
        if len(events) == first["events_max"]
        else Place(max(first["seen_version"], last.floor_version), LAST_POSITION)
    )
    return Run(
        first["restaurant_id"], first["lease_number"], settled, max(settled, end), first["orphanings"], events
    )
