"""The database's clock is set back, and what was written by it lies in the future."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from server.outbox.events import OutboxEvent
from server.outbox.ports import RetryLater
from tests.integration.test_what_wakes_a_job import STARTS, add_job
from tests.support.database import connected
from tests.support.outbox import add_events, delivery, put_events, queue_on, relay_on
from tests.support.working import until, until_settled, worker_on

LEASE_S = 30.0
HOUR_S = 3_600
REDRIVEN = "UPDATE capacity_outbox SET redriven_at = now(), status = 'pending' WHERE restaurant_id = $1"
LEASED = (
    "UPDATE outbox_streams SET lease_token = gen_random_uuid(), leased_by = 1,"
    " leased_until = now() + interval '1 minute' WHERE restaurant_id = $1"
)


@dataclass(frozen=True, slots=True)
class Case:
    """What became of a restaurant's second event, and by how much the clock was set back then."""

    back_s: int = HOUR_S
    waits: bool = False
    redriven: bool = False
    leased: bool = False
    goes_on: bool = False


CASES: Mapping[str, Case] = {
    "it was delivered": Case(goes_on=True),
    "it was delivered, and the clock set back by less than a lease lasts": Case(back_s=20),
    "the receiver asked for an hour": Case(back_s=0, waits=True),
    "the receiver asked for an hour for an event that was redriven": Case(
        back_s=0, waits=True, redriven=True
    ),
    "the receiver asked for an hour by the clock as it was": Case(waits=True, goes_on=True),
    "somebody has leased it": Case(leased=True),
}


class Receiver:
    """Asks for an hour for events of some restaurants."""

    def __init__(self) -> None:
        self.busy: frozenset[UUID] = frozenset()

    async def __call__(self, event: OutboxEvent) -> None:
        if event.restaurant_id in self.busy:
            raise RetryLater("busy", HOUR_S)


async def set_back(url: str, restaurant_id: UUID, by_s: int) -> None:
    async with connected(url) as database:
        await database.execute(
            "UPDATE outbox_streams SET next_attempt_at = next_attempt_at + make_interval(secs => $2)"
            " WHERE restaurant_id = $1",
            *(restaurant_id, by_s),
        )
        await database.execute(
            "UPDATE capacity_outbox SET updated_at = updated_at + make_interval(secs => $2),"
            " next_attempt_at = next_attempt_at + make_interval(secs => $2) WHERE restaurant_id = $1",
            *(restaurant_id, by_s),
        )


async def test_what_waits_for_nothing_goes_on_and_what_has_to_wait_does(database_url: str) -> None:
    cases = dict(zip(await put_events(database_url, restaurants=len(CASES)), CASES.values(), strict=True))
    receiver = Receiver()
    async with relay_on(database_url, delivery(receiver)) as relay, connected(database_url) as database:
        await relay.run_once()
        for restaurant_id, case in cases.items():
            if case.redriven:
                await database.execute(REDRIVEN, restaurant_id)
            else:
                await add_events(database_url, restaurant_id)
        receiver.busy = frozenset(restaurant_id for restaurant_id, case in cases.items() if case.waits)
        await relay.run_once()
        for restaurant_id, case in cases.items():
            if case.leased:
                await database.execute(LEASED, restaurant_id)
            await set_back(database_url, restaurant_id, case.back_s)
    async with queue_on(database_url, LEASE_S) as queue:
        expected = sum(case.goes_on for case in cases.values())
        assert await queue.resume_streams() == expected
        assert await queue.resume_streams() == 0
        for restaurant_id in cases:
            await add_events(database_url, restaurant_id)
        claimed = {run.restaurant_id for run in await queue.claim(len(cases), 1)}
    assert claimed == {restaurant_id for restaurant_id, case in cases.items() if case.goes_on}


async def test_a_worker_goes_on_with_events_and_bookings_after_the_clock_was_set_back(
    database_url: str,
) -> None:
    (restaurant_id,) = await put_events(database_url)
    async with relay_on(database_url, delivery(Receiver())) as relay:
        await relay.run_once()
    await set_back(database_url, restaurant_id, HOUR_S)
    await add_events(database_url, restaurant_id)
    async with connected(database_url) as connection:
        await add_job(connection, restaurant_id, STARTS, "queued")
    async with worker_on(database_url, auto_assign_poll_s=0.05):
        await until_settled(database_url)
        await until(database_url, "SELECT state FROM auto_assign_jobs", [{"state": "waiting"}])
