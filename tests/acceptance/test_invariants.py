"""V8: Each check finds what it is about, names it, and is silent otherwise. The damage is done past the service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import uuid4

import pytest

from maitred_client import AsyncMaitredClient, RestaurantNotFoundError, instant, new_request_id
from maitred_client.messages import (
    BookingAction,
    CheckInvariantsRequest,
    CheckInvariantsResponse,
    GetFloorRequest,
    InvariantViolation,
    PutFloorRequest,
)
from server.bootstrap import verify_database
from server.config import load_settings
from tests.builders.world import World, evening, small_world
from tests.builders.world_extras import refused
from tests.conftest import Served
from tests.support.database import belongings, connected, row

DROP_CONSTRAINT = "ALTER TABLE table_claims DROP CONSTRAINT table_claims_no_overlap"
# A block on the seated party's table, half an hour after it sat down.
BLOCK_OVER_CLAIM = """
    WITH taken AS (SELECT * FROM table_claims WHERE assignment_id = '{assignment}'),
    block AS (
        INSERT INTO blocks (restaurant_id, block_id, table_ids, window_start, window_end, cause, note, actor,
            created_at)
        SELECT restaurant_id, '{new}', ARRAY[table_id], lower(during) + interval '30 min', upper(during), 'other', '',
            'x', now()
        FROM taken
    )
    INSERT INTO table_claims (restaurant_id, table_id, during, kind, block_id)
    SELECT restaurant_id, table_id, tstzrange(lower(during) + interval '30 min', upper(during)), 'block', '{new}'
    FROM taken
"""


@dataclass(frozen=True, slots=True)
class Damage:
    """Statements past the service, the checks that have to notice, and ids of the first one's first example."""

    sql: tuple[str, ...]
    checks: Mapping[str, int]
    ids: Mapping[str, str] = field(default_factory=dict)


def said(status: str) -> str:
    """The last change of the seated booking says that it came to this status."""
    return (
        f"UPDATE booking_history SET to_status = '{status}' WHERE booking_id = '{{seated}}' AND revision = 2"
    )


DAMAGES: Mapping[str, Damage] = {
    "the constraint is gone": Damage((DROP_CONSTRAINT,), {"overlap_refused": 1}),
    "a table is claimed twice": Damage(
        (DROP_CONSTRAINT, BLOCK_OVER_CLAIM),
        {"no_overlap": 1, "overlap_refused": 1},
        {"assignment_id": "assignment", "booking_id": "seated", "table_ids": "T1"},
    ),
    "a pending booking has tables": Damage(
        ("UPDATE bookings SET status = 'pending' WHERE booking_id = '{seated}'", said("pending")),
        {"status_matches_assignment": 1},
        {"booking_id": "seated", "assignment_id": "assignment"},
    ),
    "a confirmed booking's assignment was released": Damage(
        (
            "UPDATE assignments SET state = 'released' WHERE assignment_id = '{assignment}'",
            "DELETE FROM table_claims WHERE assignment_id = '{assignment}'",
        ),
        {"status_matches_assignment": 1},
        {"booking_id": "seated", "assignment_id": "assignment"},
    ),
    "a booking does not know its assignment": Damage(
        (
            "UPDATE bookings SET status = 'pending', assignment_id = NULL WHERE booking_id = '{seated}'",
            said("pending"),
        ),
        {"status_matches_assignment": 1},
        {"booking_id": "seated", "assignment_id": "assignment"},
    ),
    "an assignment has lost a claim": Damage(
        ("DELETE FROM table_claims WHERE assignment_id = '{merged}' AND table_id = '{T2}'",),
        {"assignments_match_claims": 1},
        {"assignment_id": "merged", "booking_id": "party", "table_ids": "T2 T3"},
    ),
    "a claim is shorter than its assignment": Damage(
        (
            (
                "UPDATE table_claims SET during = tstzrange(lower(during), upper(during) - interval '1 min')"
                " WHERE assignment_id = '{assignment}'"
            ),
        ),
        {"assignments_match_claims": 1},
        {"assignment_id": "assignment"},
    ),
    "a released assignment still claims": Damage(
        ("UPDATE assignments SET state = 'released' WHERE assignment_id = '{assignment}'",),
        {"assignments_match_claims": 1, "status_matches_assignment": 1},
        {"assignment_id": "assignment"},
    ),
    "a live hold claims nothing": Damage(
        ("DELETE FROM table_claims WHERE hold_id = '{hold}'",),
        {"holds_match_claims": 1},
        {"hold_id": "hold", "booking_id": "waiting", "table_ids": "T4"},
    ),
    "a live hold claims part of its window": Damage(
        (
            (
                "UPDATE table_claims SET during = tstzrange(lower(during) + interval '1 min', upper(during))"
                " WHERE hold_id = '{hold}'"
            ),
        ),
        {"holds_match_claims": 1},
        {"hold_id": "hold", "table_ids": "T4"},
    ),
    "a released hold still claims": Damage(
        ("UPDATE holds SET state = 'released' WHERE hold_id = '{hold}'",),
        {"holds_match_claims": 1},
        {"hold_id": "hold", "booking_id": "waiting", "table_ids": "T4"},
    ),
    "a claim outlives its hold": Damage(
        ("UPDATE table_claims SET expires_at = expires_at + interval '1 min' WHERE hold_id = '{hold}'",),
        {"holds_match_claims": 1},
        {"hold_id": "hold", "table_ids": "T4"},
    ),
    "a block claims nothing": Damage(
        ("DELETE FROM table_claims WHERE block_id = '{block}'",),
        {"blocks_match_claims": 1},
        {"block_id": "block", "table_ids": "T5"},
    ),
    "a released block still claims": Damage(
        ("UPDATE blocks SET released = true WHERE block_id = '{block}'",),
        {"blocks_match_claims": 1},
        {"block_id": "block", "table_ids": "T5"},
    ),
    "two tables are no merge group": Damage(
        ("DELETE FROM merge_groups WHERE assignment_id = '{merged}'",),
        {"merges_legal": 1},
        {"assignment_id": "merged", "booking_id": "party", "table_ids": "T2 T3"},
    ),
    "a merged table is fixed": Damage(
        ("UPDATE tables SET movable = false WHERE table_id = '{T2}'",),
        {"merges_legal": 1},
        {"assignment_id": "merged"},
    ),
    "merged tables stand apart": Damage(
        ("UPDATE tables SET zone_id = '{new}' WHERE table_id = '{T2}'",),
        {"merges_legal": 1},
        {"assignment_id": "merged"},
    ),
    "a change has no event": Damage(
        ("DELETE FROM capacity_outbox WHERE floor_version = 2 AND restaurant_id = '{restaurant}'",),
        {"one_event_per_change": 1},
    ),
    "an event belongs to no change": Damage(
        (
            (
                "UPDATE capacity_outbox SET floor_version = 1000 WHERE floor_version = 2"
                " AND restaurant_id = '{restaurant}'"
            ),
        ),
        {"one_event_per_change": 2},
    ),
    "two requests share a floor version": Damage(
        (
            "UPDATE capacity_outbox SET idempotency_key = 'other' WHERE event_type = 'capacity.hold.confirmed'",
        ),
        {"one_event_per_change": 1},
    ),
    "a change is not in the audit log": Damage(
        ("DELETE FROM audit_log WHERE floor_version = 2 AND restaurant_id = '{restaurant}'",),
        {"changes_audited": 1},
    ),
    "a recorded hold is gone": Damage(
        ("DELETE FROM holds WHERE hold_id = '{released}'",),
        {"ledger_matches_state": 1},
        {"hold_id": "released"},
    ),
    "a recorded assignment is of another booking": Damage(
        (
            (
                "UPDATE idempotency_ledger SET answer = jsonb_set(answer, '{{assignment,booking_id}}', '\"{waiting}\"')"
                " WHERE answer #>> '{{assignment,assignment_id}}' = '{assignment}'"
            ),
        ),
        {"ledger_matches_state": 1},
        {"assignment_id": "assignment", "booking_id": "waiting"},
    ),
    "history has a gap": Damage(
        ("DELETE FROM booking_history WHERE booking_id = '{seated}' AND revision = 1",),
        {"history_complete": 1},
        {"booking_id": "seated"},
    ),
    "a status came from nowhere": Damage(
        (said("pending"),), {"history_complete": 1}, {"booking_id": "seated"}
    ),
    "an assignment is from the future": Damage(
        ("UPDATE assignments SET assignment_epoch = 99 WHERE assignment_id = '{assignment}'",),
        {"epochs_in_order": 1},
        {"booking_id": "seated", "assignment_id": "assignment"},
    ),
    "a hold is from the future": Damage(
        ("UPDATE holds SET assignment_epoch = 99 WHERE hold_id = '{hold}'",),
        {"epochs_in_order": 1},
        {"booking_id": "waiting", "hold_id": "hold"},
    ),
}


async def furnished(world: World) -> dict[str, str]:
    """Something of everything, and the ids of what the damages are done to."""
    seated = await world.booking()
    assignment = await world.assign(seated, "T1")
    party = await world.booking(party=6)
    merged = await world.confirm(await world.hold(party, "T2", "T3"))
    waiting = await world.booking()
    hold = await world.hold(waiting, "T4")
    block = await world.block("T5")
    released = await world.release(await world.hold(await world.booking(start=evening(12)), "T1"))
    for action in (BookingAction.BOOKING_ACTION_CANCEL, BookingAction.BOOKING_ACTION_NO_SHOW):
        await world.transition(await world.seated("T2", start=evening(12)), action)
    changed = await world.seated("T1", start=evening(13))
    await world.hold(await world.booking(booking_id=changed.booking_id, start=evening(14)), "T1")
    return {
        "restaurant": world.restaurant_id,
        "seated": seated.booking_id,
        "assignment": assignment.assignment_id,
        "party": party.booking_id,
        "merged": merged.assignment_id,
        "waiting": waiting.booking_id,
        "hold": hold.hold_id,
        "block": block.block_id,
        "released": released.hold_id,
        "new": str(uuid4()),
        **world.tables,
    }


async def damaged(url: str, damage: Damage, ids: Mapping[str, str]) -> None:
    async with connected(url) as connection:
        await connection.execute("SET session_replication_role = replica")
        for statement in damage.sql:
            assert (await connection.execute(statement.format(**ids))).split()[-1] != "0"


async def check(client: AsyncMaitredClient, restaurant_id: str = "") -> CheckInvariantsResponse:
    return await client.check_invariants(CheckInvariantsRequest(restaurant_id=restaurant_id))


def noticed(answer: CheckInvariantsResponse) -> dict[str, int]:
    assert answer.violations == sum(each.violations for each in answer.checks)
    return {each.check_id: each.violations for each in answer.checks if each.violations}


def first_example(answer: CheckInvariantsResponse, check_id: str) -> InvariantViolation:
    (found,) = [each for each in answer.checks if each.check_id == check_id]
    return found.examples[0]


def named(example: InvariantViolation, name: str) -> list[str]:
    value = getattr(example, name)
    return [value] if isinstance(value, str) else sorted(value)


@pytest.mark.parametrize("name", DAMAGES)
async def test_a_damage_is_noticed_by_its_check_and_named(name: str, server: Served) -> None:
    damage = DAMAGES[name]
    async with server.client() as client:
        ids = await furnished(await small_world(client))
        assert noticed(await check(client)) == {}
        await damaged(server.database_url, damage, ids)
        answer = await check(client)
        assert noticed(answer) == damage.checks
        assert noticed(await check(client, ids["restaurant"])) == damage.checks
    example = first_example(answer, next(iter(damage.checks)))
    assert example.restaurant_id == ("" if name == "the constraint is gone" else ids["restaurant"])
    assert example.message
    for part, keys in damage.ids.items():
        assert named(example, part) == sorted(ids[key] for key in keys.split()), part


async def test_every_check_has_a_damage_that_it_notices(server: Served) -> None:
    async with server.client() as client:
        answer = await check(client)
    assert {each.check_id for each in answer.checks} == {next(iter(each.checks)) for each in DAMAGES.values()}
    assert all(each.description.endswith(".") for each in answer.checks)


async def test_a_clean_restaurant_is_counted_at_the_databases_time(server: Served) -> None:
    async with server.client() as client:
        await furnished(await small_world(client))
        before = await row(server.database_url, "SELECT clock_timestamp() AS now")
        answer = await check(client)
        after = await row(server.database_url, "SELECT clock_timestamp() AS now")
    assert before["now"] <= instant(answer.checked_at) <= after["now"]
    tables = {"claims": "table_claims", "events": "capacity_outbox", "audit_entries": "audit_log"}
    for kind in answer.counts.DESCRIPTOR.fields_by_name:
        table = tables.get(kind, kind)
        counted = await row(server.database_url, f"SELECT count(*) AS rows FROM {table}")
        assert getattr(answer.counts, kind) == counted["rows"] > 0, kind


async def test_of_many_violations_twenty_are_shown_and_all_are_counted(server: Served) -> None:
    async with server.client() as client:
        world = await small_world(client)
        damage = Damage(("UPDATE restaurants SET floor_version = floor_version + 30",), {})
        await damaged(server.database_url, damage, {})
        answer = await check(client, world.restaurant_id)
    assert noticed(answer) == {"one_event_per_change": 30, "changes_audited": 30}
    assert {len(each.examples) for each in answer.checks if each.violations} == {20}
    assert first_example(answer, "changes_audited").message == "floor version 4 is not in the audit log"


async def test_only_the_tenants_own_rows_are_looked_at(server: Served) -> None:
    damage = DAMAGES["an assignment has lost a claim"]
    async with server.client() as me, server.client("others", uuid4()) as them:
        mine, other = await small_world(me), await small_world(me)
        theirs = await furnished(await small_world(them))
        await damaged(server.database_url, damage, theirs)
        assert noticed(await check(me)) == {}
        assert (await check(me)).counts.restaurants == 2
        assert (await check(me, mine.restaurant_id)).counts.restaurants == 1
        assert noticed(await check(them)) == damage.checks
        await refused(check(me, theirs["restaurant"]), RestaurantNotFoundError)
        ids = await furnished(other)
        await damaged(server.database_url, damage, ids)
        assert noticed(await check(me)) == damage.checks
        assert noticed(await check(me, mine.restaurant_id)) == {}
    report = await verify_database(load_settings(database_url=server.database_url))
    assert {each.check_id: each.violations for each in report.checks if each.violations} == {
        "assignments_match_claims": 2
    }
    assert report.counts.restaurants == 3


async def test_a_tenant_without_restaurants_has_nothing_to_report(server: Served) -> None:
    damage = DAMAGES["the constraint is gone"]
    await damaged(server.database_url, damage, {})
    async with server.client() as client:
        answer = await check(client)
    assert (answer.violations, answer.counts.restaurants) == (0, 0)


async def test_a_floor_that_was_changed_since_makes_no_merge_illegal(server: Served) -> None:
    async with server.client() as client:
        world = await small_world(client)
        await furnished(world)
        floor = (await client.get_floor(GetFloorRequest(restaurant_id=world.restaurant_id))).floor
        for table in floor.tables:
            table.movable = False
        request = PutFloorRequest(request_id=new_request_id(), restaurant_id=world.restaurant_id, floor=floor)
        await client.put_floor(request)
        assert noticed(await check(client)) == {}


async def test_looking_mends_nothing(server: Served) -> None:
    """What is wrong is reported every time, and every row stays as it is."""
    async with server.client() as client:
        ids = await furnished(await small_world(client))
        await damaged(server.database_url, DAMAGES["an assignment has lost a claim"], ids)
        before = await belongings(server.database_url, ids["restaurant"], str(server.tenant_id))
        assert noticed(await check(client)) == noticed(await check(client, ids["restaurant"])) != {}
    report = await verify_database(load_settings(database_url=server.database_url))
    assert report.violations == 1
    assert await belongings(server.database_url, ids["restaurant"], str(server.tenant_id)) == before
