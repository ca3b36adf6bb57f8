"""Which streams are leased, with which of their events, and what is told of them to those who run the service."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from server.persistence.queries import load_queries
from tests.support.database import connected, row, rows
from tests.support.outbox import put_events, queue_on

# Each restaurant has three events, two of them of one change, that were made an hour after each other.
FIRST, SECOND, THIRD = (1, 1), (2, 1), (2, 2)
MADE = """
    UPDATE capacity_outbox SET floor_version = 2, position = 2 WHERE floor_version = 3;
    UPDATE capacity_outbox SET created_at = now() - make_interval(hours => 9 - floor_version::int - position);
    UPDATE restaurants SET floor_version = 2;
"""
DELIVERED = "UPDATE capacity_outbox SET status = 'done' WHERE restaurant_id = $1"
SETTLED = (
    "UPDATE outbox_streams SET settled_version = 2, settled_position = 2147483647 WHERE restaurant_id = $1"
)
FIRST_SETTLED = "UPDATE outbox_streams SET settled_version = 1, settled_position = 1 WHERE restaurant_id = $1"
SECOND_SETTLED = FIRST_SETTLED.replace("settled_version = 1", "settled_version = 2")
REDRIVEN = (
    "UPDATE capacity_outbox SET redriven_at = now(), status = 'pending'"
    " WHERE restaurant_id = $1 AND floor_version = 1"
)
LEASED = (
    "UPDATE outbox_streams SET lease_token = gen_random_uuid(), leased_by = 1,"
    " leased_until = now() + interval '{}' WHERE restaurant_id = $1"
)


@dataclass(frozen=True, slots=True)
class Case:
    """How a stream came to be what it is; its events that wait, and the one or two that it is leased with."""

    sql: tuple[str, ...]
    waiting: tuple[tuple[int, int], ...] = (FIRST, SECOND, THIRD)
    leased: tuple[tuple[int, int], ...] | None = None
    dead: int = 0
    in_work: int = 0
    blocked: int = 0
    orphanings: int = 0


CASES: Mapping[str, Case] = {
    "nothing was delivered": Case((), leased=(FIRST, SECOND)),
    "the first was delivered": Case(
        (FIRST_SETTLED, DELIVERED + " AND floor_version = 1"), (SECOND, THIRD), (SECOND, THIRD)
    ),
    "the first was delivered, which nobody noted": Case(
        (DELIVERED + " AND floor_version = 1",), (SECOND, THIRD), (SECOND, THIRD)
    ),
    "everything was delivered": Case((SETTLED, DELIVERED), ()),
    "the first is dead": Case(
        (FIRST_SETTLED, DELIVERED.replace("done", "dead") + " AND floor_version = 1"),
        (SECOND, THIRD),
        (SECOND, THIRD),
        dead=1,
    ),
    "the first is dead and has to be dealt with": Case(
        (
            DELIVERED.replace("done", "dead") + " AND floor_version = 1",
            "UPDATE outbox_streams SET blocked_by = gen_random_uuid() WHERE restaurant_id = $1",
        ),
        (SECOND, THIRD),
        dead=1,
        blocked=1,
    ),
    "the first was redriven": Case((SETTLED, DELIVERED, REDRIVEN), (FIRST,), (FIRST,)),
    "the first was redriven and delivered": Case(
        (SETTLED, REDRIVEN, DELIVERED),
        (),
    ),
    "the first was redriven and delivered while later ones wait": Case(
        (FIRST_SETTLED, REDRIVEN, DELIVERED + " AND floor_version = 1"), (SECOND, THIRD), (SECOND, THIRD)
    ),
    "all were redriven": Case(
        (SETTLED, REDRIVEN.replace(" AND floor_version = 1", "")), leased=(FIRST, SECOND)
    ),
    "the first was redriven while later ones wait": Case((FIRST_SETTLED, REDRIVEN), leased=(FIRST, SECOND)),
    "the first was redriven before anything went on": Case((REDRIVEN,), leased=(FIRST, SECOND)),
    "it is leased": Case((LEASED.format("1 hour"),), in_work=1),
    "its lease ran out, and it is leased one by one": Case(
        (LEASED.format("-1 second"),), leased=(FIRST,), orphanings=1
    ),
    "its next attempt is later": Case(
        ("UPDATE outbox_streams SET next_attempt_at = now() + interval '1 hour' WHERE restaurant_id = $1",)
    ),
}


async def test_what_waits_is_counted_and_leased_as_far_as_its_time_has_come(database_url: str) -> None:
    restaurants = dict(
        zip(await put_events(database_url, restaurants=len(CASES), versions=3), CASES.items(), strict=True)
    )
    async with queue_on(database_url) as queue, connected(database_url) as database:
        await queue.adopt()
        await database.execute(MADE)
        for restaurant_id, (_, case) in restaurants.items():
            for statement in case.sql:
                await database.execute(statement, restaurant_id)
        made = {
            (event["restaurant_id"], event["floor_version"], event["position"]): event["created_at"]
            for event in await database.fetch("SELECT * FROM capacity_outbox")
        }
        tenant_id = await database.fetchval("SELECT tenant_id FROM tenants")
        stats = load_queries("outbox")["outbox_stats"]
        for restaurant_id, (name, case) in restaurants.items():
            (found,) = await database.fetch(stats, tenant_id, restaurant_id)
            oldest = made[restaurant_id, *case.waiting[0]] if case.waiting else None
            assert tuple(found)[:5] == (len(case.waiting), case.dead, case.in_work, case.blocked, oldest), (
                name
            )
        (found,) = await database.fetch(stats, tenant_id, None)
        assert found["pending"] == sum(len(case.waiting) for case in CASES.values())
        assert found["oldest_pending_at"] == min(made.values())
        (found,) = await database.fetch(stats, uuid4(), None)
        assert (found["pending"], found["dead"]) == (0, 0)
        runs = {run.restaurant_id: run for run in await queue.claim(len(CASES), 2)}
    for restaurant_id, (name, case) in restaurants.items():
        run = runs.get(restaurant_id)
        leased = tuple((event.floor_version, event.position) for event in run.events) if run else None
        assert (leased, run.orphanings if run else 0) == (case.leased, case.orphanings), name


async def test_events_of_the_same_instant_are_counted_and_listed_one_by_one(database_url: str) -> None:
    (restaurant_id,) = await put_events(database_url, versions=5)
    queries, listed, at = load_queries("outbox"), list[int](), None
    after: tuple[UUID | None, int, int] = (None, -1, -1)
    async with connected(database_url) as database:
        tenant_id = await database.fetchval("SELECT tenant_id FROM tenants")
        (found,) = await database.fetch(queries["outbox_stats"], tenant_id, restaurant_id)
        while page := await database.fetch(
            queries["undelivered_events_page"], tenant_id, None, "pending", None, at, *after, 2
        ):
            listed += [event["floor_version"] for event in page]
            at = page[-1]["created_at"]
            after = restaurant_id, page[-1]["floor_version"], page[-1]["position"]
    assert found["pending"] == 5
    assert listed == [1, 2, 3, 4, 5]


async def test_the_longest_unserved_that_nobody_has_are_leased_first_and_no_more_than_asked_for(
    database_url: str,
) -> None:
    restaurants = await put_events(database_url, restaurants=4)
    async with queue_on(database_url, timeout_s=5.0) as queue, connected(database_url) as database:
        await queue.adopt()
        for hours, restaurant_id in enumerate(restaurants):
            await database.execute(
                "UPDATE outbox_streams SET next_attempt_at = now() - make_interval(hours => $2)"
                " WHERE restaurant_id = $1",
                *(restaurant_id, hours),
            )
        async with database.transaction():
            locked = restaurants.pop()
            await database.execute(
                "SELECT FROM outbox_streams WHERE restaurant_id = $1 FOR NO KEY UPDATE", locked
            )
            leased = [[run.restaurant_id for run in await queue.claim(1, 1)] for _ in restaurants]
    assert leased == [[restaurant_id] for restaurant_id in reversed(restaurants)]


async def test_events_are_leased_in_their_order_wherever_the_database_finds_them(database_url: str) -> None:
    """Here it looks through the table, in which the last ones come first."""
    settled, unsettled = await put_events(database_url, restaurants=2, versions=3)
    async with connected(database_url) as database:
        await database.execute(MADE)
        for place in (THIRD, SECOND, FIRST):
            await database.execute(
                "UPDATE capacity_outbox SET redriven_at = now() WHERE (floor_version, position) = ($1, $2)",
                *place,
            )
        await database.execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET enable_indexscan = off', current_database());"
            " EXECUTE format('ALTER DATABASE %I SET enable_bitmapscan = off', current_database()); END $$"
        )
    async with queue_on(database_url) as queue:
        await queue.adopt()
        await rows(database_url, SETTLED + " RETURNING 1", settled)
        runs = {run.restaurant_id: run.events for run in await queue.claim(2, 2)}
    expected = [FIRST, SECOND]
    assert {each: [event.place for event in runs[each]] for each in (settled, unsettled)} == {
        settled: expected,
        unsettled: expected,
    }


async def test_one_whose_lease_ran_out_is_leased_again_after_those_that_wait_for_longer(
    database_url: str,
) -> None:
    await put_events(database_url, restaurants=2)
    earlier = "UPDATE outbox_streams SET next_attempt_at = now() - random() * interval '1 hour' RETURNING 1"
    async with queue_on(database_url, lease_s=0.0) as queue:
        await queue.adopt()
        await rows(database_url, earlier)
        one, other, *again = [(await queue.claim(1, 1))[0].restaurant_id for _ in range(4)]
    assert one != other
    assert again == [one, other]


async def test_the_lag_is_the_time_of_the_event_that_waits_longest(database_url: str) -> None:
    """In hours. A redriven event waits since it was redriven. The events of a second restaurant are one hour old."""
    first_id, second_id = await put_events(database_url, restaurants=2, versions=3)
    async with queue_on(database_url) as queue, connected(database_url) as database:

        async def lag_h(*statements: str, restaurant_id: UUID = first_id) -> int:
            for statement in statements:
                await database.execute(statement, restaurant_id)
            return round(await queue.lag_s() / 3_600)

        def redriven(where: str, hours: int) -> str:
            earlier = REDRIVEN.replace("now()", f"now() - interval '{hours} hours'")
            return earlier.replace("floor_version = 1", where)

        await database.execute(MADE)
        young = "UPDATE capacity_outbox SET created_at = now() - interval '1 hour' WHERE restaurant_id = $1"
        assert await lag_h(young, restaurant_id=second_id) == 7
        await queue.adopt()
        assert await lag_h() == 7
        assert await lag_h(DELIVERED + " AND floor_version = 1") == 6
        assert await lag_h(redriven("floor_version = 1", 3)) == 6
        assert await lag_h(FIRST_SETTLED, DELIVERED + " AND floor_version = 1") == 6
        assert await lag_h(SECOND_SETTLED, DELIVERED + " AND position = 1") == 5, (
            "the rest of the last change"
        )
        assert await lag_h(SETTLED, DELIVERED) == 1
        assert await lag_h(SETTLED, DELIVERED, redriven("floor_version = 1", 2), restaurant_id=second_id) == 2
        assert await lag_h(redriven("floor_version = 1", 3), redriven("position = 2", 4)) == 4
        assert await lag_h(DELIVERED) == 2
        assert await lag_h(DELIVERED, restaurant_id=second_id) == 0


async def test_a_lease_that_is_given_back_has_its_stream_wait_for_as_long_as_it_would_have_lasted(
    database_url: str,
) -> None:
    (restaurant_id,) = await put_events(database_url, versions=2)
    stream = (
        "SELECT next_attempt_at > now() + interval '9 minutes' AS waits, lease_token IS NULL AS free,"
        " leased_until > now() + interval '9 minutes' AS leased, orphanings FROM outbox_streams"
    )
    async with queue_on(database_url, lease_s=600.0) as queue:
        await queue.adopt()
        (run,) = await queue.claim(1, 2)
        await rows(database_url, "UPDATE outbox_streams SET leased_until = now() RETURNING 1")
        assert await queue.extend([run]) == {run.lease}
        assert await row(database_url, stream) == {
            "waits": False,
            "free": False,
            "leased": True,
            "orphanings": 0,
        }
        async with queue_on(database_url) as other:
            assert await other.give_back([run]) == frozenset()
        assert await queue.give_back([replace(run, lease_number=run.lease_number - 1)]) == frozenset()
        assert await queue.give_back([run]) == {run.lease}
        assert await row(database_url, stream) == {
            "waits": True,
            "free": True,
            "leased": None,
            "orphanings": 0,
        }
        assert await queue.give_back([run]) == frozenset()
        assert await queue.claim(1, 2) == ()
    assert run.restaurant_id == restaurant_id
