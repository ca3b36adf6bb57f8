"""Builds the worker process: what delivers events, and what nobody asks for and somebody has to do."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from opentelemetry.metrics import MeterProvider

from server.config import Settings
from server.domain.announcement import Announcement
from server.domain.retry_plan import RETRY_AFTER_S
from server.lifecycle import Grace, Part, closing_part, service_part
from server.news import pool_settings
from server.orchestrator.auto_assign import AutoAssign
from server.orchestrator.background_auto_assign import BackgroundAutoAssign, JobLimits
from server.orchestrator.sweep_holds import SweepHolds
from server.outbox.backoff import Backoff
from server.outbox.delivery import DeadPolicy, Delivery, DeliveryRules
from server.outbox.outage import Outage
from server.outbox.relay import Relay, RelaySettings
from server.outbox.sinks.ports import Sink
from server.periodic import Periodic, Rhythm
from server.persistence.auto_assign_jobs import SqlAutoAssignJobs
from server.persistence.failures import UnreachableError, unavailable
from server.persistence.history import SqlHistory
from server.persistence.inspection import database_invariants
from server.persistence.outbox import SqlEventQueue
from server.persistence.pool import Pool
from server.persistence.session import WorkerSession
from server.persistence.store import SqlStore
from server.persistence.telemetry import SqlTelemetryStore
from server.persistence.upkeep import SqlUpkeep
from server.receivers import build_sinks, event_handler
from server.rpc.health_server import HealthServer, HealthSettings
from server.telemetry.metrics import InvariantMetrics, OutboxMetrics, RoundMetrics
from server.telemetry.pulse import Pulse

log = structlog.get_logger(__name__)

# Roles that one worker of all has at a time.
UPKEEP_ROLE = 1

SWEEP_RESTAURANTS_MAX = 100
SWEEP_HOLDS_MAX = 200
# One whose writers keep it locked for longer waits for the next round; the others don't wait for it.
SWEEP_RESTAURANT_S = 2.0
CLEARED_RESTAURANTS_MAX = 20
# Their restaurants are locked meanwhile.
CLEARED_BOOKINGS_MAX = 50
JOBS_MAX = 32
JOB_LEASE_S = 30.0
# A last try after that is over, and written down, before the leases are.
JOBS_TURN_S = 5.0
# One short statement.
JOBS_LET_GO_S = 3.0
# A little more or less of it lies between two rounds, and never more than a minute.
RESUME_S = 50.0
# The longest wait after a round that failed.
AGAIN_S_MAX = 60.0
# By a clock that is further ahead than this nothing is past its time.
CLOCK_AHEAD_S_MAX = 3_600.0


class WakesRelay:
    """Hears of changes and makes the relay look."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def on_change(self, announcement: Announcement) -> None:
        self._relay.wake()

    def on_gap(self) -> None:
        self._relay.wake()

    def on_channel(self, database: str | None) -> None:
        """Whether the channel is open makes no difference: the relay looks for itself as well."""


@dataclass(slots=True)
class Seen:
    """What was found when somebody looked last: None and nothing where it is not known."""

    lag_s: float | None = None
    dead: int | None = None
    violations: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunningWorker:
    """A worker that tells its health at `address`. `wait` lasts until a signal to stop, see `Lifecycle`."""

    address: str
    wait: Callable[[Callable[[], None]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Worker:
    """The parts of one worker process."""

    session: WorkerSession
    relay: Relay
    jobs: BackgroundAutoAssign
    sinks: tuple[Sink, ...]
    services: tuple[Periodic, ...]
    health: HealthServer

    @classmethod
    def of(
        cls,
        settings: Settings,
        url: str,
        pool: Pool,
        store: SqlStore,
        auto_assign: AutoAssign,
        meters: MeterProvider | None,
    ) -> "Worker":
        # A lease outlives one wait for a database that says nothing.
        session = WorkerSession(pool_settings(settings, url), settings.event_timeout_s)
        rules = _delivery_rules(settings)
        queue = SqlEventQueue(
            pool,
            session,
            settings.lease_s,
            settings.event_timeout_s,
            past_dead=rules.dead_policy is DeadPolicy.CONTINUE,
        )
        sinks = build_sinks(settings, pool)
        outage = Outage(settings.event_outage_s_max, time.monotonic)
        delivery = Delivery(event_handler(sinks), rules, outage)
        relay = Relay(queue, delivery, _relay_settings(settings))
        queued = SqlAutoAssignJobs(pool, settings.deadline_s_default)
        jobs = BackgroundAutoAssign(store, queued, auto_assign, _job_limits(settings))
        seen = Seen()
        services = (
            _rescuer(settings, queue, relay),
            _resumer(settings, queue, relay, queued),
            _sweeper(settings, pool, store),
            # Every worker assigns: a booking that one of them has taken is left alone by the others.
            _periodic(settings, "auto_assign", jobs, settings.auto_assign_poll_s, JOBS_MAX),
            _lag(settings, queue, seen),
            *_upkeep(settings, pool, session, queue),
            _invariant_check(settings, url, session, seen),
        )
        pulses = (*relay.pulses, *(service.pulse for service in services))
        _measure(settings, pulses, session, relay, seen, meters)
        return cls(session, relay, jobs, sinks, services, HealthServer(_health_settings(settings), pulses))

    def hearer(self) -> WakesRelay:
        return WakesRelay(self.relay)

    def parts(self) -> Iterator[Part]:
        """Stopped from the last to the first: the relay settles what it delivered before its session is closed, and
        jobs are given back once no round is under way.
        """

        async def open_sinks() -> None:
            for sink in self.sinks:
                await sink.open()

        async def close_sinks(_: Grace) -> None:
            for sink in self.sinks:
                await sink.close()

        async def let_jobs_go(_: Grace) -> None:
            # However great the hurry is: nobody else has them before their leases run out.
            with suppress(TimeoutError):
                async with asyncio.timeout(JOBS_LET_GO_S):
                    await self.jobs.let_go()

        yield closing_part("worker session", self.session.close)
        yield Part("sinks", open_sinks, close_sinks)
        yield service_part("relay", self.relay)
        yield Part("jobs", stop=let_jobs_go)
        for service in self.services:
            yield service_part(service.name, service)
        yield service_part("health", self.health)


def _health_settings(settings: Settings) -> HealthSettings:
    return HealthSettings(
        settings.worker_host, settings.worker_port, settings.round_failures_max, settings.health_interval_s
    )


def _measure(
    settings: Settings,
    pulses: tuple[Pulse, ...],
    session: WorkerSession,
    relay: Relay,
    seen: Seen,
    meters: MeterProvider | None,
) -> None:
    def leads() -> bool:
        return session.leads(UPKEEP_ROLE)

    RoundMetrics(pulses, settings.round_failures_max, leads, meters)
    OutboxMetrics(
        lambda: relay.deliveries,
        lambda: relay.restaurants_leased,
        lambda: seen.lag_s,
        lambda: seen.dead,
        meters,
    )
    # What a worker found that leads no more is old.
    InvariantMetrics(lambda: seen.violations if leads() else {}, meters)


def _delivery_rules(settings: Settings) -> DeliveryRules:
    return DeliveryRules(
        attempts_max=settings.event_attempts_max,
        handler_timeout_s=settings.event_timeout_s,
        dead_policy=DeadPolicy(settings.event_dead_policy),
        backoff=Backoff(settings.event_retry_s, settings.event_retry_s_max, random.random),
    )


def _relay_settings(settings: Settings) -> RelaySettings:
    return RelaySettings(
        runs_max=settings.relay_restaurants_max,
        events_max=settings.relay_events_max,
        poll_s=settings.relay_poll_s,
        lease_s=settings.lease_s,
    )


def _rescuer(settings: Settings, queue: SqlEventQueue, relay: Relay) -> Periodic:
    """Every worker looks: whoever is left sees at once that another has died."""

    async def rescue() -> int:
        freed = len(await queue.free_orphans(settings.relay_events_max))
        if freed:
            log.warning("leases_of_the_dead_freed", restaurants=freed)
            relay.wake()
        return freed

    return _periodic(settings, "rescuer", rescue, settings.rescue_s)


def _resumer(settings: Settings, queue: SqlEventQueue, relay: Relay, jobs: SqlAutoAssignJobs) -> Periodic:
    """Every worker looks whether the clock was set back: seldom, since that is rare and all that waits is looked at."""
    wait_s_max = max(_job_limits(settings).lease_s, *RETRY_AFTER_S)

    async def resume() -> int:
        resumed, due = await queue.resume_streams(), await jobs.resume(wait_s_max)
        if resumed or due:
            log.warning("clock_set_back", restaurants=resumed, jobs=due)
            relay.wake()
        return resumed + due

    return _periodic(settings, "resumer", resume, RESUME_S)


def _sweeper(settings: Settings, pool: Pool, store: SqlStore) -> Periodic:
    """Every worker sweeps: the restaurant's lock keeps them apart."""
    round_s = settings.deadline_s_default
    upkeep = SqlUpkeep(pool, round_s)
    sweep = SweepHolds(store, upkeep, SWEEP_RESTAURANTS_MAX, SWEEP_HOLDS_MAX, round_s, SWEEP_RESTAURANT_S)

    async def round_() -> int:
        swept = await sweep()
        if swept:
            log.info("holds_swept", holds=swept)
        return swept

    return _periodic(settings, "sweeper", round_, settings.sweep_s, SWEEP_HOLDS_MAX)


def _lag(settings: Settings, queue: SqlEventQueue, seen: Seen) -> Periodic:
    """Every worker measures, so that the figure is there whoever is left."""

    async def measure() -> int:
        try:
            seen.lag_s, seen.dead = await queue.lag_s(), await queue.dead()
        except Exception:
            seen.lag_s = seen.dead = None
            raise
        return 0

    return _periodic(settings, "outbox_lag", measure, settings.measure_s)


def _job_limits(settings: Settings) -> JobLimits:
    try_s = settings.deadline_s_default
    return JobLimits(JOBS_MAX, try_s, JOB_LEASE_S + try_s, JOBS_TURN_S)


def _upkeep(
    settings: Settings, pool: Pool, session: WorkerSession, queue: SqlEventQueue
) -> Iterator[Periodic]:
    """What one worker of all does at a time, in batches of at most so many that keep nobody waiting."""
    upkeep, rows_max = SqlUpkeep(pool, settings.event_timeout_s), settings.upkeep_rows_max
    telemetry = SqlTelemetryStore(pool, settings.telemetry_timeout_s)
    history, kept_s = SqlHistory(pool, settings.event_timeout_s), settings.history_kept_s
    restaurants_max, bookings_max = CLEARED_RESTAURANTS_MAX, min(rows_max, CLEARED_BOOKINGS_MAX)
    batches: dict[str, tuple[Callable[[], Awaitable[int]], int]] = {
        "event_cleaner": (lambda: queue.delete_delivered(settings.event_retention_s, rows_max), rows_max),
        "telemetry_cleaner": (
            lambda: telemetry.delete_older(settings.telemetry_retention_s, rows_max),
            rows_max,
        ),
        "ledger_expiry": (lambda: upkeep.forget_answers(rows_max), rows_max),
        "claim_cleaner": (
            lambda: upkeep.clear_past_claims(settings.claims_kept_s, restaurants_max),
            restaurants_max,
        ),
        "hold_cleaner": (lambda: history.clear_ended_holds(settings.holds_kept_s, rows_max), rows_max),
        "booking_cleaner": (lambda: history.clear_past_bookings(kept_s, bookings_max), bookings_max),
        "block_cleaner": (lambda: history.clear_past_blocks(kept_s, rows_max), rows_max),
        "audit_cleaner": (lambda: history.clear_past_entries(kept_s, rows_max), rows_max),
    }
    for name, (batch, batch_max) in batches.items():
        yield _periodic(settings, name, _led(session, upkeep, name, batch), settings.upkeep_s, batch_max)


def _invariant_check(settings: Settings, url: str, session: WorkerSession, seen: Seen) -> Periodic:
    async def verify() -> int:
        if not await session.lead(UPKEEP_ROLE):
            return 0
        try:
            async with asyncio.timeout(max(settings.verify_s, settings.round_s_max)):
                report = await database_invariants(url)
        except (UnreachableError, TimeoutError) as problem:
            raise unavailable() from problem
        seen.violations = {check.check_id: check.violations for check in report.checks}
        for check in report.checks:
            if check.violations:
                log.critical("invariant_broken", check=check.check_id, violations=check.violations)
        return 0

    return _periodic(settings, "invariant_check", verify, settings.verify_s)


def _led(
    session: WorkerSession, upkeep: SqlUpkeep, name: str, batch: Callable[[], Awaitable[int]]
) -> Callable[[], Awaitable[int]]:
    """What is deleted does not come back. So it waits while one of the two clocks must be wrong."""

    async def round_() -> int:
        if not await session.lead(UPKEEP_ROLE):
            return 0
        ahead_s = await upkeep.clock_ahead_s()
        if ahead_s > CLOCK_AHEAD_S_MAX:
            log.warning("clock_far_ahead", service=name, ahead_s=round(ahead_s))
            return 0
        touched = await batch()
        if touched:
            log.info("upkeep", service=name, rows=touched)
        return touched

    return round_


def _periodic(
    settings: Settings, name: str, work: Callable[[], Awaitable[int]], every_s: float, rows_max: int = 1
) -> Periodic:
    rhythm = Rhythm(every_s, AGAIN_S_MAX, random.random)
    return Periodic(name, work, rhythm, rows_max, settings.round_s_max)
