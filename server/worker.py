"""Builds the worker process: what delivers events, and what nobody asks for and somebody has to do."""

import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import structlog

from server.config import Settings
from server.domain.announcement import Announcement
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
from server.persistence.inspection import database_invariants
from server.persistence.outbox import SqlEventQueue
from server.persistence.pool import Pool
from server.persistence.session import WorkerSession
from server.persistence.store import SqlStore
from server.persistence.telemetry import SqlTelemetryStore
from server.persistence.upkeep import SqlUpkeep
from server.receivers import build_sinks, event_handler

log = structlog.get_logger(__name__)

# Roles that one worker of all has at a time.
UPKEEP_ROLE = 1

SWEEP_RESTAURANTS_MAX = 100
SWEEP_HOLDS_MAX = 200
CLEARED_RESTAURANTS_MAX = 20
JOBS_MAX = 32
JOB_LEASE_S = 30.0


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


@dataclass(frozen=True, slots=True)
class Worker:
    """The parts of one worker process."""

    session: WorkerSession
    relay: Relay
    sinks: tuple[Sink, ...]
    services: tuple[Periodic, ...]

    @classmethod
    def of(
        cls, settings: Settings, url: str, pool: Pool, store: SqlStore, auto_assign: AutoAssign
    ) -> "Worker":
        # A lease outlives one wait for a database that says nothing.
        session = WorkerSession(pool_settings(settings, url), settings.event_timeout_s)
        queue = SqlEventQueue(pool, session, settings.lease_s, settings.event_timeout_s)
        sinks = build_sinks(settings, pool)
        outage = Outage(settings.event_outage_s_max, time.monotonic)
        delivery = Delivery(event_handler(sinks), _delivery_rules(settings), outage)
        relay = Relay(queue, delivery, _relay_settings(settings))
        services = (
            _rescuer(settings, queue, relay),
            _sweeper(settings, pool, store),
            _auto_assigner(settings, pool, store, auto_assign),
            *_upkeep(settings, url, pool, session, queue),
        )
        return cls(session, relay, sinks, services)

    def hearer(self) -> WakesRelay:
        return WakesRelay(self.relay)

    def parts(self) -> Iterator[Part]:
        """Stopped from the last to the first: the relay settles what it delivered before its session is closed."""

        async def open_sinks() -> None:
            for sink in self.sinks:
                await sink.open()

        async def close_sinks(_: Grace) -> None:
            for sink in self.sinks:
                await sink.close()

        yield closing_part("worker session", self.session.close)
        yield Part("sinks", open_sinks, close_sinks)
        yield service_part("relay", self.relay)
        for service in self.services:
            yield service_part(service.name, service)


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

    async def rescue() -> bool:
        freed = await queue.free_orphans(settings.relay_events_max)
        if freed:
            log.warning("leases_of_the_dead_freed", restaurants=len(freed))
            relay.wake()
        return False

    return Periodic("rescuer", rescue, _rhythm(settings.rescue_s))


def _sweeper(settings: Settings, pool: Pool, store: SqlStore) -> Periodic:
    """Every worker sweeps: the restaurant's lock keeps them apart."""
    sweep = SweepHolds(
        store, SqlUpkeep(pool), SWEEP_RESTAURANTS_MAX, SWEEP_HOLDS_MAX, settings.deadline_s_default
    )

    async def round_() -> bool:
        swept = await sweep()
        if swept:
            log.info("holds_swept", holds=swept)
        return swept >= SWEEP_HOLDS_MAX

    return Periodic("sweeper", round_, _rhythm(settings.sweep_s))


def _auto_assigner(settings: Settings, pool: Pool, store: SqlStore, auto_assign: AutoAssign) -> Periodic:
    """Every worker assigns: a booking that one of them has taken is left alone by the others."""
    jobs = SqlAutoAssignJobs(pool, settings.deadline_s_default)
    limits = JobLimits(JOBS_MAX, settings.deadline_s_default, JOB_LEASE_S + settings.deadline_s_default)
    return Periodic(
        "auto-assign",
        BackgroundAutoAssign(store, jobs, auto_assign, limits),
        _rhythm(settings.auto_assign_poll_s),
    )


def _upkeep(
    settings: Settings, url: str, pool: Pool, session: WorkerSession, queue: SqlEventQueue
) -> Iterator[Periodic]:
    """What one worker of all does at a time, in batches that keep nobody waiting."""
    upkeep, rows_max = SqlUpkeep(pool), settings.upkeep_rows_max
    telemetry = SqlTelemetryStore(pool, settings.telemetry_timeout_s)
    batches: dict[str, Callable[[], Awaitable[int]]] = {
        "event cleaner": lambda: queue.delete_delivered(settings.event_retention_s, rows_max),
        "telemetry cleaner": lambda: telemetry.delete_older(settings.telemetry_retention_s, rows_max),
        "ledger expiry": lambda: upkeep.forget_answers(rows_max),
    }
    for name, batch in batches.items():
        yield Periodic(name, _led(session, name, batch, rows_max), _rhythm(settings.upkeep_s))

    async def clear_claims() -> int:
        return await upkeep.clear_past_claims(settings.claims_kept_s, CLEARED_RESTAURANTS_MAX)

    clear = _led(session, "claim cleaner", clear_claims, CLEARED_RESTAURANTS_MAX)
    yield Periodic("claim cleaner", clear, _rhythm(settings.upkeep_s))

    async def verify() -> bool:
        if await session.lead(UPKEEP_ROLE):
            report = await database_invariants(url)
            for check in report.checks:
                if check.violations:
                    log.critical("invariant_broken", check=check.check_id, violations=check.violations)
        return False

    yield Periodic("invariant check", verify, _rhythm(settings.verify_s))


def _led(
    session: WorkerSession, name: str, batch: Callable[[], Awaitable[int]], rows_max: int
) -> Callable[[], Awaitable[bool]]:
    async def round_() -> bool:
        if not await session.lead(UPKEEP_ROLE):
            return False
        touched = await batch()
        if touched:
            log.info("upkeep", service=name, rows=touched)
        return touched >= rows_max

    return round_


def _rhythm(every_s: float) -> Rhythm:
    return Rhythm(every_s, max(60.0, every_s), random.random)
