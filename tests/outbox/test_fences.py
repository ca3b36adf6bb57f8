"""Workers that pause past their lease, again and again: nothing they say afterwards counts."""

import asyncio
import random

from server.outbox.events import Answer, Outcome, Run, Settlement
from server.persistence.outbox import SqlEventQueue
from tests.support.database import rows
from tests.support.outbox import put_events, queue_on

RESTAURANTS, ROUNDS = 50, 20


async def test_in_a_thousand_races_no_late_answer_is_taken(database_url: str) -> None:
    """The successor is another worker or the same one later, and answers before, after or while the late one does."""
    restaurants = await put_events(database_url, restaurants=RESTAURANTS, versions=ROUNDS)
    rng, late_answers, taken = random.Random(11), 0, 0
    async with queue_on(database_url, lease_s=0.0) as slow, queue_on(database_url) as quick:
        await slow.adopt()
        for _ in range(ROUNDS):
            late = await slow.claim(RESTAURANTS, 1)
            if rng.random() < 0.5:
                await slow.claim(RESTAURANTS, 1)
            now = await quick.claim(RESTAURANTS, 1)
            assert len(late) == len(now) == RESTAURANTS
            held = await asyncio.gather(*_shuffled(rng, slow, late, quick, now))
            late_answers += len(late)
            taken += sum(len(each) for each in held)
    assert late_answers == RESTAURANTS * ROUNDS == 1_000
    # Each restaurant's event of each round by its successor, and nothing by anybody else.
    assert taken == 1_000
    told = await rows(
        database_url, "SELECT restaurant_id, status, last_error, attempt_count FROM capacity_outbox"
    )
    assert {row["restaurant_id"] for row in told} == set(restaurants)
    assert {(row["status"], row["last_error"], row["attempt_count"]) for row in told} == {("done", None, 1)}


def _shuffled(
    rng: random.Random, slow: SqlEventQueue, late: tuple[Run, ...], quick: SqlEventQueue, now: tuple[Run, ...]
) -> list["asyncio.Future[frozenset[object]]"]:
    calls = [
        slow.settle([_answered(run, Outcome.DEAD, "late") for run in late]),
        slow.extend(late),
        quick.settle([_answered(run, Outcome.DONE, None) for run in now]),
    ]
    rng.shuffle(calls)
    return [asyncio.ensure_future(call) for call in calls]


def _answered(run: Run, outcome: Outcome, error: str | None) -> Settlement:
    return Settlement(run, run.end, tuple(Answer(event.event_id, outcome, 1, error) for event in run.events))
