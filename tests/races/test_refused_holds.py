"""A hold that is refused because of others' claims is answered, recorded and told as one, whatever fails meanwhile."""

import itertools

from maitred_client import (
    RequestInProgressError,
    StoreUnavailableError,
    TableConflictAssignedError,
    TableConflictHeldError,
)
from maitred_client.messages import HoldTablesRequest
from tests.builders.world import small_world
from tests.conftest import Served
from tests.races.attempts import several_clients, together, until_answered
from tests.races.behind_faults import Interrupted, interrupted
from tests.races.crowd import attempt
from tests.races.evidence import broken_invariants, count
from tests.races.faults import cut_after, cut_before
from tests.races.operations import day
from tests.support.database import connected

TOLD = {"audit_log": 1, "capacity_outbox": 1, "idempotency_ledger": 1, "restaurants": 0}
# Deciding takes seven, the rollback among them, and recording as many.
STATEMENTS = 14
# Without its connection a transaction is undone as well, so the refusal holds. It is recorded unless the database has
# not yet noticed that the connection is gone.
UNDONE = (TableConflictAssignedError, RequestInProgressError)


async def test_a_cut_connection_leaves_a_refusal_recorded_and_told_or_neither(database_url: str) -> None:
    async with interrupted(database_url, group_members_max=1) as here:
        moments = ((at, strike) for at in itertools.count(1) for strike in (cut_before, cut_after))
        for number, (at, strike) in enumerate(moments):
            request = await doomed(here, number)
            before = await here.dump()
            here.plan.arm(at, strike)
            _, error = await attempt(here.place.client.hold_tables, request)
            struck, struck_at = here.plan.struck, here.plan.struck_at if here.plan.struck else ""
            here.plan.disarm()
            if struck:
                undone = struck_at == "ROLLBACK"
                assert isinstance(error, UNDONE if undone else StoreUnavailableError), struck_at
                recorded = undone and isinstance(error, TableConflictAssignedError)
                committed = recorded or (strike is cut_after and struck_at.startswith("COMMIT"))
                assert await here.effect(before) == (TOLD if committed else {}), struck_at
            for _ in range(2):
                _, refusal = await attempt(
                    lambda asked: until_answered(here.place.client.hold_tables, asked), request
                )
                assert isinstance(refusal, TableConflictAssignedError), struck_at
                assert await here.effect(before) == TOLD, struck_at
            if not struck:
                break
        assert at == STATEMENTS + 1
        await here.require_sound()


async def doomed(here: Interrupted, number: int) -> HoldTablesRequest:
    """Asks for a table that somebody sits at, on a day of its own."""
    start = day(number)
    await here.place.assign(await here.place.party(start=start), "W1")
    return here.place.hold_request((await here.place.party(start=start)).booking_id, ["W1"])


async def test_a_crowd_that_is_refused_is_told_of_but_not_one_by_one(server: Served) -> None:
    """However many there are, the floor's changes stay in order, and each has its event."""
    async with several_clients(server) as clients, connected(server.database_url) as database:
        world = await small_world(clients[0])
        await world.hold(await world.booking(), "T1")
        requests = [world.hold_request((await world.booking()).booking_id, ["T1"]) for _ in range(80)]
        outcome = await together(
            clients[number % len(clients)].hold_tables(request) for number, request in enumerate(requests)
        )
        assert {type(error) for error in outcome.errors} == {TableConflictHeldError}
        assert len(outcome.errors) == len(requests)
        told = await count(
            database,
            "SELECT count(*) FROM capacity_outbox WHERE event_type = 'capacity.hold.strict_conflict'",
        )
        assert 1 <= told < len(requests)
        assert await broken_invariants(database, world.restaurant_id) == {}
