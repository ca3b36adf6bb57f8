"""Which dead events get another life, and which streams go on then."""

from dataclasses import dataclass

from server.outbox.events import Outcome, Place, Run
from server.persistence.queries import load_queries
from tests.builders.events import on_its_way
from tests.outbox.test_failures import Failing
from tests.support.database import connected
from tests.support.outbox import delivery, put_events, queue_on

# Of four events of each of two restaurants the first three are dead. Each restaurant waits behind one of its own.
DEAD = """
    UPDATE capacity_outbox SET status = 'dead' WHERE floor_version <= 3;
    UPDATE capacity_outbox SET event_type = 'capacity.block.created' WHERE floor_version = 2;
    UPDATE outbox_streams AS s SET next_attempt_at = now() + interval '1 hour', orphanings = 3, blocked_by = o.id
    FROM capacity_outbox AS o WHERE s.restaurant_id = o.restaurant_id AND o.floor_version = 2;
"""
PLACES = "SELECT restaurant_id, floor_version, id FROM capacity_outbox"
FREE = """
    SELECT blocked_by IS NULL AND orphanings = 0 AND next_attempt_at <= clock_timestamp() AS free FROM outbox_streams
    ORDER BY restaurant_id
"""
BLOCK = "capacity.block.created"


@dataclass(frozen=True, slots=True)
class Asked:
    """Places of events, a restaurant, a type and how many at most; what is redriven, and whose streams go on."""

    redriven: list[tuple[int, int]]
    free: list[bool]
    places: tuple[tuple[int, int], ...] = ()
    restaurant: int | None = None
    event_type: str | None = None
    limit: int = 9


ASKED = (
    Asked([(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)], [True, True]),
    Asked([(1, 1), (1, 2), (1, 3)], [False, True], restaurant=1),
    Asked([(0, 2), (1, 2)], [True, True], event_type=BLOCK),
    Asked([(1, 2)], [False, True], restaurant=1, event_type=BLOCK),
    Asked([(0, 1)], [False, False], limit=1),
    Asked([(0, 1), (0, 2), (0, 3), (1, 1)], [True, False], limit=4),
    Asked([(0, 3), (1, 2)], [False, True], places=((0, 3), (1, 2), (1, 4))),
)


async def test_those_that_are_asked_for_are_redriven_and_free_what_waited_behind_them(
    database_url: str,
) -> None:
    restaurants = await put_events(database_url, restaurants=2, versions=4)
    redrive = load_queries("outbox")["redrive_events"]
    async with queue_on(database_url) as queue, connected(database_url) as database:
        await queue.adopt()
        await database.execute(DEAD)
        tenant_id = await database.fetchval("SELECT tenant_id FROM tenants")
        ids = {
            (restaurants.index(restaurant_id), version): event_id
            for restaurant_id, version, event_id in await database.fetch(PLACES)
        }
        for asked in ASKED:
            named = [ids[place] for place in asked.places] or None
            wanted = None if asked.restaurant is None else restaurants[asked.restaurant]
            transaction = database.transaction()
            await transaction.start()
            found = await database.fetch(redrive, tenant_id, named, wanted, asked.event_type, asked.limit)
            free = [row["free"] for row in await database.fetch(FREE)]
            await transaction.rollback()
            redriven = {row["id"] for row in found}
            assert sorted(place for place, event_id in ids.items() if event_id in redriven) == asked.redriven
            assert free == asked.free, asked


async def test_what_counts_as_delivered_is_not_less_after_a_redriven_event_that_is_older() -> None:
    """Though the run ends there, because the next one fails."""
    redriven, later = (on_its_way(floor_version=version) for version in (1, 4))
    run = Run(redriven.restaurant_id, 1, Place(3, 1), Place(4, 1), 0, (redriven, later))
    settlement = await delivery(Failing(4, OSError("away")))(run)
    assert [answer.outcome for answer in settlement.answers] == [Outcome.DONE, Outcome.PENDING]
    assert settlement.settled == Place(3, 1)
