"""Which changes of a restaurant make a waiting booking's job due: those that may have made room in its window."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from server.persistence.queries import load_queries
from tests.support.database import Connection, connected

JOBS = load_queries("auto_assign")
STARTS, ENDS = datetime(2031, 5, 1, 18, tzinfo=UTC), datetime(2031, 5, 1, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SEEN = 5


@dataclass(frozen=True, slots=True)
class Change:
    """An event, unless it is not kept any more; whether the job is due then, None when it is not even looked at."""

    wakes: bool | None
    starts: datetime = STARTS
    ends: datetime = ENDS
    of: str = "capacity.hold.released"
    version: int | None = SEEN + 1
    newest: int = SEEN + 1
    timeless: bool = False
    compacted: int | None = None
    state: str = "waiting"


CHANGES: Mapping[str, Change] = {
    "a table comes free in its window": Change(True),
    "until shortly after its start": Change(True, STARTS - timedelta(hours=1), STARTS + MINUTE),
    "until its start": Change(False, STARTS - timedelta(hours=1), STARTS),
    "from shortly before its end": Change(True, ENDS - MINUTE, ENDS + timedelta(hours=1)),
    "from its end": Change(False, ENDS, ENDS + timedelta(hours=1)),
    "at any time": Change(True, timeless=True),
    "of a kind that makes no room": Change(False, of="capacity.hold.created"),
    "that its last try knew of": Change(False, version=SEEN),
    "that is not kept any more": Change(True, version=None, compacted=SEEN + 1),
    "of those that are kept there is none": Change(False, version=None, compacted=SEEN),
    "there was no change": Change(None, version=None, newest=SEEN),
    "its job is tried anyway": Change(None, state="queued"),
}


async def add_job(connection: Connection, restaurant_id: UUID, starts: datetime, state: str) -> None:
    booking_id = uuid4()
    await connection.execute(
        "INSERT INTO bookings (restaurant_id, booking_id, status, party_size, dining_start, dining_end, window_start,"
        " window_end, period, revision, assignment_epoch, created_at, updated_at)"
        " VALUES ($1, $2, 'pending_allocation', 2, $3, $4, $3, $4, '', 1, 1, now(), now())",
        *(restaurant_id, booking_id, starts, starts + (ENDS - STARTS)),
    )
    await connection.execute(
        "INSERT INTO auto_assign_jobs (restaurant_id, booking_id, state, attempt_count, next_attempt_at, actor,"
        " queued_at, seen_version, cured_by)"
        " VALUES ($1, $2, $3, 4, now() + interval '1 hour', '', now(), $4, ARRAY['capacity.hold.released'])",
        *(restaurant_id, booking_id, state, SEEN),
    )


async def written(connection: Connection, change: Change) -> UUID:
    """The restaurant of a job that waits for this change."""
    restaurant_id = uuid4()
    await connection.execute("INSERT INTO tenants (tenant_id) VALUES ($1)", restaurant_id)
    await connection.execute(
        "INSERT INTO restaurants (restaurant_id, tenant_id, name, time_zone, floor_version)"
        " VALUES ($1, $1, '', 'UTC', $2)",
        *(restaurant_id, change.newest),
    )
    await add_job(connection, restaurant_id, STARTS, change.state)
    if change.compacted is not None:
        await connection.execute(
            "INSERT INTO outbox_streams (restaurant_id, compacted_version) VALUES ($1, $2)",
            *(restaurant_id, change.compacted),
        )
    if change.version is not None:
        await connection.execute(
            "INSERT INTO capacity_outbox (restaurant_id, tenant_id, floor_version, position, created_at, updated_at,"
            " next_attempt_at, event_type, dedupe_key, idempotency_key, payload) VALUES ($1, $1, $2, 1, now(), now(),"
            " now(), $3, '', '', CASE WHEN $4 THEN '{}' ELSE jsonb_build_object('startAt', $5::timestamptz,"
            " 'endAt', $6::timestamptz) END)",
            *(restaurant_id, change.version, change.of, change.timeless, change.starts, change.ends),
        )
    return restaurant_id


async def test_a_change_that_may_have_made_room_wakes_a_job_and_no_other_does(database_url: str) -> None:
    async with connected(database_url) as connection:
        restaurants = {await written(connection, change): name for name, change in CHANGES.items()}
        (woken,) = await connection.fetch(JOBS["wake_jobs"], len(CHANGES))
        found = await connection.fetch(
            "SELECT restaurant_id, state, attempt_count, next_attempt_at <= now() AS due, seen_version"
            " FROM auto_assign_jobs"
        )
    wakes = [change.wakes for change in CHANGES.values()]
    assert (woken["woken"], woken["looked"]) == (wakes.count(True), len(wakes) - wakes.count(None))
    for restaurant_id, *job in found:
        change = CHANGES[restaurants[restaurant_id]]
        seen = SEEN if change.wakes is None else change.newest
        now = ["queued", 0, True, seen] if change.wakes else [change.state, 4, False, seen]
        assert job == now, restaurants[restaurant_id]


async def test_no_more_jobs_are_looked_at_than_asked_for_and_none_that_somebody_has(
    database_url: str,
) -> None:
    async with connected(database_url) as connection, connected(database_url) as other:
        for _ in range(3):
            taken = await written(connection, CHANGES["a table comes free in its window"])
        await connection.execute("SET lock_timeout = '5s'")
        async with other.transaction():
            await other.execute(
                "SELECT FROM auto_assign_jobs WHERE restaurant_id = $1 FOR NO KEY UPDATE", taken
            )
            looked = [
                row["looked"] for limit in (1, 9) for row in await connection.fetch(JOBS["wake_jobs"], limit)
            ]
    assert looked == [1, 1]


async def test_a_change_wakes_the_job_of_no_other_booking_of_the_restaurant(database_url: str) -> None:
    async with connected(database_url) as connection:
        restaurant_id = await written(connection, CHANGES["a table comes free in its window"])
        for days in (-1, 1):
            await add_job(connection, restaurant_id, STARTS + timedelta(days=days), "waiting")
        (woken,) = await connection.fetch(JOBS["wake_jobs"], 9)
        found = await connection.fetch(
            "SELECT j.state FROM auto_assign_jobs AS j JOIN bookings AS b USING (restaurant_id, booking_id)"
            " ORDER BY b.window_start"
        )
    assert (woken["woken"], woken["looked"]) == (1, 3)
    assert [row["state"] for row in found] == ["waiting", "queued", "waiting"]
