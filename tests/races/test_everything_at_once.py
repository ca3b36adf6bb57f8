"""Every kind of change at once, and afterwards a database in which all of it adds up."""

import asyncio
import random
from collections import Counter
from dataclasses import replace

from server.bootstrap import serving
from server.config import Settings
from tests.builders.world import TableSpec, small_world
from tests.conftest import Served
from tests.races.attempts import several_clients
from tests.races.crowd import Crowd, Sent, attempt
from tests.races.evidence import broken_invariants, dump
from tests.support.database import Connection, connected

HOSTS, STEPS = 16, 40
# So many that every kind of call succeeds several times, and so few that most are in somebody's way.
TABLES, BOOKINGS = 30, 60
SEED = 7

# What a host at work is refused for; above all none of the store's or the house's own failures.
# Whether one of these finds its booking at the right moment is luck; that they work is shown one by one elsewhere.
LUCKY = frozenset({"extend_hold", "replace_hold", "reassign_tables"})
EXPECTED = frozenset(
    """
    TABLE_CONFLICT_HELD TABLE_CONFLICT_ASSIGNED TABLE_BLOCKED TABLE_NOT_FOUND CAPACITY_INSUFFICIENT
    BOOKING_ALREADY_ASSIGNED HOLD_ALREADY_CONFIRMED HOLD_ALREADY_RELEASED HOLD_MISMATCH ASSIGNMENT_NOT_FOUND
    INVALID_STATE_TRANSITION COMBINATION_NOT_ADJACENT NO_FEASIBLE_PLAN
    """.split()
)


async def test_whatever_hosts_do_at_once_the_floor_adds_up(server: Served, settings: Settings) -> None:
    """The hosts work with two servers on one database: what one of them has in memory is no secret to the other."""
    async with (
        serving(settings, server.database_url) as second,
        several_clients(server, 3) as clients_of_first,
        several_clients(replace(server, address=second.address), 3) as clients_of_second,
        connected(server.database_url) as database,
    ):
        clients = [*clients_of_first, *clients_of_second]
        world = await small_world(clients[0], tables=[TableSpec(f"T{number}") for number in range(TABLES)])
        crowd = Crowd(world, [(await world.booking()).booking_id for _ in range(BOOKINGS)])
        await asyncio.gather(
            *(
                crowd.wander(clients[host % len(clients)], random.Random(SEED * 1_000 + host), STEPS)
                for host in range(HOSTS)
            )
        )
        refused = Counter(sent.error.reason for sent in crowd.sent if sent.error)
        assert set(refused) <= EXPECTED, refused
        succeeded = {sent.method for sent in crowd.sent if sent.answer}
        assert succeeded >= {sent.method for sent in crowd.sent} - LUCKY
        assert await broken_invariants(database, world.restaurant_id) == {}
        assert await recorded(database, [sent.request_id for sent in crowd.sent]) == {
            sent.request_id: sent.error is not None for sent in crowd.sent
        }
        rng = random.Random(SEED)
        before = await dump(database, world.restaurant_id)
        for sent in crowd.sent:
            await require_same_again(getattr(rng.choice(clients), sent.method), sent)
        assert await dump(database, world.restaurant_id) == before


async def recorded(database: Connection, request_ids: list[str]) -> dict[str, bool]:
    """By request whether its recorded answer is a refusal."""
    rows = await database.fetch(
        "SELECT request_id::text, refused FROM idempotency_ledger WHERE request_id = any($1::uuid [])",
        request_ids,
    )
    return {row["request_id"]: row["refused"] for row in rows}


async def require_same_again(call: object, sent: Sent) -> None:
    answer, error = await attempt(call, sent.request)  # type: ignore[arg-type]
    if sent.answer is not None:
        assert answer.SerializeToString(deterministic=True) == sent.answer.SerializeToString(
            deterministic=True
        )
        return
    assert sent.error is not None
    assert error is not None
    assert (error.reason, error.message, error.details) == (
        sent.error.reason,
        sent.error.message,
        sent.error.details,
    )
