"""Which jobs of the background auto-assign a worker takes: those that are due, the longest first, and some alone."""

from uuid import UUID

from server.persistence.queries import load_queries
from tests.integration.test_what_wakes_a_job import CHANGES, STARTS, add_job, written
from tests.support.database import Connection, connected

JOBS = load_queries("auto_assign")
TRIES = 5
WAIT_S_MAX = 60.0
# State, tries, in how many seconds it is due, in how many it was queued; whether nothing has it wait for as long.
WAITS = (
    ("queued", 0, 3_600, 3_600, True),
    ("queued", 1, 3_600, -9, True),
    ("queued", 1, 30, -9, False),
    ("queued", 0, 3_600, -9, False),
    ("waiting", 1, 3_600, 3_600, False),
)


async def job(connection: Connection, due_h: int, *, state: str = "queued", tries: int = 0) -> UUID:
    """The restaurant of a job that is due since so many hours. It has another, for later."""
    restaurant_id = await written(connection, CHANGES["a table comes free in its window"])
    await connection.execute(
        "UPDATE auto_assign_jobs SET state = $2, attempt_count = $3,"
        " next_attempt_at = now() - make_interval(hours => $4) WHERE restaurant_id = $1",
        *(restaurant_id, state, tries, due_h),
    )
    await add_job(connection, restaurant_id, STARTS, "queued")
    return restaurant_id


async def taken(connection: Connection, limit: int = 9) -> set[UUID]:
    found = await connection.fetch(JOBS["claim_jobs"], limit, 60.0, TRIES)
    restaurants = {row["restaurant_id"] for row in found}
    assert len(found) == len(restaurants)
    return restaurants


async def test_the_longest_due_are_taken_first_and_none_that_somebody_has(database_url: str) -> None:
    async with connected(database_url) as connection, connected(database_url) as other:
        _, locked, first, second = [await job(connection, hours) for hours in (-1, 3, 2, 1)]
        await connection.execute("SET lock_timeout = '5s'")
        async with other.transaction():
            await other.execute(
                "SELECT FROM auto_assign_jobs WHERE restaurant_id = $1 FOR NO KEY UPDATE", locked
            )
            assert [await taken(connection, 1) for _ in range(3)] == [{first}, {second}, set()]
        assert await taken(connection) == {locked}


async def test_what_was_lost_too_often_is_taken_alone(database_url: str) -> None:
    async with connected(database_url) as connection:
        first, lost, tried = [
            await job(connection, hours, tries=tries) for hours, tries in ((4, 0), (3, TRIES + 1), (2, TRIES))
        ]
        waiting = await job(connection, 1, state="waiting", tries=TRIES + 1)
        assert [await taken(connection) for _ in range(3)] == [{first, tried, waiting}, {lost}, set()]
        now = (
            "SELECT state, attempt_count, seen_version FROM auto_assign_jobs WHERE restaurant_id = $1"
            " ORDER BY next_attempt_at LIMIT 1"
        )
        assert tuple(*await connection.fetch(now, waiting)) == ("queued", 1, 6)
        assert tuple(*await connection.fetch(now, tried)) == ("queued", TRIES + 1, 6)
        longest, other = await job(connection, 2, tries=TRIES + 1), await job(connection, 1)
        assert [await taken(connection) for _ in range(3)] == [{longest}, {other}, set()]


async def test_what_was_queued_or_tried_before_the_clock_was_set_back_is_due(database_url: str) -> None:
    async with connected(database_url) as connection:
        restaurants = {await job(connection, 0): wait for wait in WAITS}
        await connection.execute("DELETE FROM auto_assign_jobs WHERE next_attempt_at > now()")
        for restaurant_id, (state, tries, due_s, queued_s, _) in restaurants.items():
            await connection.execute(
                "UPDATE auto_assign_jobs SET state = $2, attempt_count = $3,"
                " next_attempt_at = now() + make_interval(secs => $4),"
                " queued_at = now() + make_interval(secs => $5) WHERE restaurant_id = $1",
                *(restaurant_id, state, tries, due_s, queued_s),
            )
        assert await connection.fetchval(JOBS["resume_jobs"], WAIT_S_MAX) == 2
        assert await taken(connection) == {each for each, (*_, due) in restaurants.items() if due}
