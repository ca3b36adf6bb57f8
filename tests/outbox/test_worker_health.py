"""What a real worker says about its services, and what it measures, with the database there, away, and silent."""

import asyncio
from collections.abc import Sequence
from typing import Any, NoReturn

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint

from maitred_client import AsyncMaitredClient
from server import worker
from server.bootstrap import StartError, working
from server.config import Settings, load_settings
from server.errors import ServiceError
from server.outbox.events import Lease, OutboxEvent, Place, Run, Settlement
from server.outbox.ports import Undeliverable
from server.outbox.relay import Relay, RelaySettings
from server.persistence.outbox import SqlEventQueue
from server.persistence.pool import PoolSettings
from server.persistence.session import WorkerSession
from server.rpc.health import HealthAnswer, ask_health
from server.worker import Seen, _invariant_check, _lag, _measure
from tests.builders.events import on_its_way
from tests.builders.world import small_world
from tests.conftest import Served
from tests.support.database import connected, expire, rows
from tests.support.gate import Change, Gate, gate_to_postgres
from tests.support.outbox import delivery, put_events, queue_on, redrive, relay_on
from tests.support.working import poison, until

PATIENCE_S = 60.0
SERVICES = {
    "relay_adopt",
    "relay_lease",
    "relay_settle",
    "relay_extend",
    "rescuer",
    "resumer",
    "sweeper",
    "auto_assign",
    "claim_cleaner",
    "hold_cleaner",
    "booking_cleaner",
    "block_cleaner",
    "audit_cleaner",
    "outbox_lag",
    "event_cleaner",
    "telemetry_cleaner",
    "ledger_expiry",
    "invariant_check",
}
BUSY = {"relay_adopt", "relay_lease", "rescuer", "sweeper", "outbox_lag"}


def restless(**settings: object) -> Settings:
    """A worker that looks all the time."""
    often = dict.fromkeys(("relay_poll_s", "rescue_s", "sweep_s", "measure_s", "health_interval_s"), 0.05)
    return load_settings(**{"log_level": "error", **often, **settings})


async def until_said(address: str, serving: bool) -> HealthAnswer:
    """Until the worker says of itself and of what it does all the time that it serves, or that it does not."""
    wanted = "SERVING" if serving else "NOT_SERVING"
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await ask_health(address, 5.0)
            said = {status for service, status in answer.services.items() if service in BUSY}
            if said == {wanted} and answer.overall == wanted:
                return answer
            await asyncio.sleep(0.1)


async def test_a_worker_says_of_each_of_its_services_that_it_serves(database_url: str) -> None:
    async with working(restless(), database_url) as worker:
        answer = await until_said(worker.address, serving=True)
        assert dict(answer.services) == dict.fromkeys(SERVICES, "SERVING")
    assert not (await ask_health(worker.address, 5.0)).serving


async def test_a_worker_whose_port_is_taken_says_so_and_does_not_start(database_url: str) -> None:
    async with working(restless(), database_url) as worker:
        taken = int(worker.address.rpartition(":")[2])
        with pytest.raises(StartError, match="worker_port"):
            async with working(restless(worker_port=taken), database_url):
                pass
        await until_said(worker.address, serving=True)


@pytest.mark.parametrize(
    ("take_away", "bring_back"),
    [(Gate.shut, Gate.open), (Gate.stick, Gate.loosen)],
    ids=["connections are refused", "nothing answers"],
)
async def test_services_do_not_serve_while_the_database_is_away_and_serve_again_afterwards(
    database_url: str,
    take_away: Change,
    bring_back: Change,
) -> None:
    # Where nothing answers, the rounds hang for far longer than they may.
    settings = restless(round_s_max=1.0, lease_s=1.0, event_timeout_s=0.9, telemetry_timeout_s=0.4)
    async with gate_to_postgres(database_url) as (gate, through), working(settings, through) as worker:
        await until_said(worker.address, serving=True)
        await gate.make(take_away)
        await until_said(worker.address, serving=False)
        await gate.make(bring_back)
        await until_said(worker.address, serving=True)


async def test_a_database_that_hangs_keeps_no_round_for_ever(database_url: str) -> None:
    """Here a round never counts as hung, so that services stop serving by rounds that ended alone."""
    limits = dict.fromkeys(("deadline_s_default", "event_timeout_s"), 0.3)
    settings = restless(
        **limits, telemetry_timeout_s=0.1, lease_s=3_600.0, round_s_max=3_600.0, round_failures_max=2
    )
    async with gate_to_postgres(database_url) as (gate, through), working(settings, through) as worker:
        await until_said(worker.address, serving=True)
        gate.stick()
        await until_said(worker.address, serving=False)
        gate.loosen()
        await until_said(worker.address, serving=True)


class Refusing(SqlEventQueue):
    """Leases nothing, as one whose session gets no connection any more."""

    def __init__(self) -> None:
        self.refused = asyncio.Semaphore(0)

    async def adopt(self) -> None:
        pass

    async def claim(self, runs_max: int, events_max: int) -> tuple[Run, ...]:
        self.refused.release()
        raise ConnectionError("too many connections")


async def test_a_relay_that_leases_nothing_does_not_serve_whatever_else_it_is_told() -> None:
    queue = Refusing()
    relay = Relay(queue, delivery(refuse), RelaySettings(8, 10, 0.001, 30.0))
    await relay.start()
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(4):
            await queue.refused.acquire()
    beating = {pulse.service for pulse in relay.pulses if pulse.beats(failures_max=3)}
    await relay.stop()
    assert beating == {"relay_adopt", "relay_settle", "relay_extend"}


class Forgetful(Refusing):
    """Leases one restaurant, and knows nothing of it any more."""

    def __init__(self) -> None:
        super().__init__()
        event = on_its_way()
        self._waiting: tuple[Run, ...] = (Run(event.restaurant_id, 1, Place(0, 0), event.place, 0, (event,)),)

    async def claim(self, runs_max: int, events_max: int) -> tuple[Run, ...]:
        runs, self._waiting = self._waiting, ()
        return runs

    async def _fenced(self, query: str, runs: Sequence[Run]) -> frozenset[Lease]:
        self.refused.release()
        raise ConnectionError("never heard of it")

    async def settle(self, settlements: Sequence[Settlement]) -> frozenset[Lease]:
        raise ConnectionError("never heard of it")


async def test_a_relay_that_keeps_no_lease_and_settles_nothing_does_not_serve_either() -> None:
    held = asyncio.Event()

    async def handler(_: OutboxEvent) -> None:
        await held.wait()

    queue = Forgetful()
    relay = Relay(queue, delivery(handler), RelaySettings(8, 10, 3_600.0, 0.03))
    adopting, leasing, settling, extending = relay.pulses
    await relay.start()
    async with asyncio.timeout(PATIENCE_S):
        # Each time it asks twice.
        for _ in range(3):
            await queue.refused.acquire()
        assert not extending.beats(failures_max=1)
        held.set()
        while settling.beats(failures_max=1):  # noqa: ASYNC110 - a pulse tells nobody
            await asyncio.sleep(0.01)
    await relay.stop()
    assert adopting.beats(failures_max=1)
    assert leasing.beats(failures_max=1)


class Fault(BaseException):
    """Nothing that a relay counts on."""


class Broken(Refusing):
    async def adopt(self) -> None:
        raise Fault


async def test_a_relay_of_which_a_part_has_ended_does_not_serve_and_can_be_stopped() -> None:
    relay = Relay(Broken(), delivery(refuse), RelaySettings(8, 10, 0.001, 30.0))
    await relay.start()
    for _ in range(20):
        await asyncio.sleep(0)
    beating = {pulse.service for pulse in relay.pulses if pulse.beats(failures_max=3)}
    await relay.stop()
    assert beating == {"relay_adopt", "relay_settle", "relay_extend"}


async def test_a_look_at_all_data_that_finds_no_database_has_failed_and_is_no_bug(database_url: str) -> None:
    session = WorkerSession(PoolSettings(database_url), 5.0)
    try:
        check = _invariant_check(load_settings(), "postgresql://127.0.0.1:1/nothing", session, Seen())
        with pytest.raises(ServiceError, match="STORE_UNAVAILABLE") as failed:
            await check.run_once()
        assert "ConnectionRefusedError" in str(failed.value.__cause__)
    finally:
        await session.close()


async def test_a_look_at_all_data_that_never_ends_fails_in_the_end(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a connection that was cut and nobody is told of: nothing else would end it."""

    async def wait_for_ever(_: str) -> NoReturn:
        await asyncio.Future()
        raise AssertionError("it was not cut short")

    monkeypatch.setattr(worker, "database_invariants", wait_for_ever)
    hasty = load_settings().model_copy(update={"verify_s": 0.1, "round_s_max": 0.1})
    session = WorkerSession(PoolSettings(database_url), 5.0)
    try:
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(ServiceError, match="STORE_UNAVAILABLE"):
                await _invariant_check(hasty, database_url, session, Seen()).run_once()
    finally:
        await session.close()


async def test_a_worker_measures_its_rounds_the_outbox_and_what_contradicts_itself(
    server: Served, client: AsyncMaitredClient
) -> None:
    url, reader = server.database_url, InMemoryMetricReader()
    world = await small_world(client)
    await expire(url, (await world.hold(await world.booking(), "T1")).hold_id)
    lost = await world.hold(await world.booking(), "T2")
    async with connected(url) as connection:
        await connection.execute("DELETE FROM table_claims WHERE hold_id = $1::text::uuid", lost.hold_id)
    await poison(url, world.restaurant_id)
    async with working(restless(), url, MeterProvider([reader])) as worker:
        await until_said(worker.address, serving=True)
        await until(url, "SELECT FROM holds WHERE expires_at < now() AND state = 'active'", [])
        await until(url, "SELECT FROM capacity_outbox WHERE status = 'pending'", [])
        async with asyncio.timeout(PATIENCE_S):
            while not settled(figures := measured(reader)):  # noqa: ASYNC110 - as a collector does
                await asyncio.sleep(0.02)
    (events,) = await rows(url, "SELECT count(*) FROM capacity_outbox WHERE status = 'done'")
    assert figures["maitred.outbox.deliveries", "delivered"] == events["count"]
    assert figures["maitred.outbox.deliveries", "dead"] == figures["maitred.outbox.dead",] == 1
    assert figures["maitred.worker.rows", "sweeper"] == 1
    assert figures["maitred.invariants.violations", "holds_match_claims"] == 1
    assert figures["maitred.invariants.violations", "no_overlap"] == 0
    assert figures["maitred.worker.rounds", "invariant_check", "done"] == 1
    assert figures["maitred.worker.rounds", "sweeper", "failed"] == 0
    assert figures["maitred.worker.last_round.duration", "invariant_check"] > 0
    serving = {key[1] for key, value in figures.items() if key[0] == "maitred.worker.serving" and value}
    assert serving == SERVICES


def settled(figures: dict[tuple[str, ...], float]) -> bool:
    """Whether all figures are in that come after the last event has been settled and the last round is over."""
    return (
        (figures.get(("maitred.outbox.lag",)), figures.get(("maitred.outbox.dead",))) == (0, 1)
        and figures["maitred.outbox.restaurants_leased",] == 0
        and figures["maitred.worker.leader",] == 1
        and ("maitred.invariants.violations", "no_overlap") in figures
        and figures["maitred.worker.rows", "sweeper"]
        == figures["maitred.worker.rounds", "invariant_check", "done"]
        == 1
    )


def measured(reader: InMemoryMetricReader) -> dict[tuple[str, ...], float]:
    """Every figure by name and labels."""
    data = reader.get_metrics_data()
    assert data is not None
    return {
        (metric.name, *(str(value) for value in (point.attributes or {}).values())): point.value
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
        for point in metric.data.data_points
        if isinstance(point, NumberDataPoint)
    }


def test_what_a_worker_found_that_leads_no_more_is_not_told() -> None:
    reader, session = InMemoryMetricReader(), WorkerSession(PoolSettings("postgresql://nobody"), 5.0)
    relay = Relay(Refusing(), delivery(refuse), RelaySettings(8, 10, 1.0, 30.0))
    seen = Seen(violations={"no_overlap": 1})
    _measure(load_settings(), (), session, relay, seen, MeterProvider([reader]))
    figures = measured(reader)
    assert figures["maitred.worker.leader",] == 0
    assert ("maitred.invariants.violations", "no_overlap") not in figures


async def test_a_lag_that_cannot_be_measured_is_not_known_any_more() -> None:
    class Away(Refusing):
        async def lag_s(self) -> float:
            raise TimeoutError

    away: Any = Away()
    seen = Seen(lag_s=3.0, dead=1)
    with pytest.raises(TimeoutError):
        await _lag(load_settings(), away, seen).run_once()
    assert (seen.lag_s, seen.dead) == (None, None)


async def refuse(event: OutboxEvent) -> None:
    raise Undeliverable("nobody wants it")


async def test_the_lag_is_the_age_of_the_oldest_event_that_is_to_be_delivered(database_url: str) -> None:
    restaurants = await put_events(database_url, restaurants=2, versions=3)
    async with queue_on(database_url) as queue:
        assert await queue.lag_s() < 3_600
        assert not await _lag(load_settings(), queue, Seen()).run_once(), "once is enough for now"
        async with connected(database_url) as connection:
            await connection.execute(
                "UPDATE capacity_outbox SET created_at = created_at - interval '1 hour' * floor_version"
                " WHERE restaurant_id = $1",
                restaurants[1],
            )
        assert 3_600 <= await queue.lag_s() < 7_200
        async with relay_on(database_url, delivery(refuse)) as relay:
            while await relay.run_once():
                pass
        assert await queue.lag_s() == 0, "what is dead is not waited for"
        await redrive(database_url, restaurants[1])
        assert 0 < await queue.lag_s() < 3_600, "a redriven event waits since then"
        async with connected(database_url) as connection:
            await connection.execute(
                "UPDATE capacity_outbox SET redriven_at = redriven_at + interval '1 hour'"
            )
        assert await queue.lag_s() == 0, "by a clock that was set back since, it has not waited yet"
