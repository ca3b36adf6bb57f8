"""V8: Each check finds what it is about, names it, and is silent otherwise. The damage is done past the service."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from uuid import uuid4

import pytest

from maitred_client import (
    AsyncMaitredClient,
    RestaurantNotFoundError,
    TableConflictAssignedError,
    instant,
    new_request_id,
)
from maitred_client.messages import (
    BookingAction,
    CheckInvariantsRequest,
    CheckInvariantsResponse,
    InvariantViolation,
    PutFloorRequest,
)
from server.bootstrap import serving
from server.config import load_settings
from server.diagnosis import verify_database
from server.persistence.invariants import GLANCED, LOOKING
from tests.acceptance.damage import Damage, come, completed, one_more
from tests.acceptance.damages import DAMAGES
from tests.builders.world import World, evening, small_world
from tests.builders.world_extras import refused
from tests.conftest import Served
from tests.support.database import connected, nothing_written, row
from tests.support.postgres import TestServer

# Parties have left, and one sits at its table.
LATER = (*completed("seated"), *completed("party"), *come("changed"))
# Together they are noticed by every check.
ONE_OF_EACH = (
    "the rule that an assignment claims its tables is turned off",
    "a table is claimed twice",
    "a completed booking had no tables",
    "more guests come than there are tables for",
    "an assignment has lost a claim",
    "a live hold claims nothing",
    "a hold was confirmed, and its booking has tables that are not of it",
    "a block claims nothing",
    "a table that is held is gone",
    "the merge group is of another assignment",
    "two changes have no event",
    "a change has lost its last event",
    "a change is not in the audit log",
    "somebody else is said to have seated a party",
    "what is recorded is gone, and there is another of each booking",
    "a booking is left to the worker, which does not know of it",
    "history has a gap",
    "an assignment is from the future",
)
# An answer, a hold and a block are over; of the changes the first is kept no more, one is to be told once more, and one
# comes from an older server.
AGED = (
    "UPDATE bookings SET party_size = party_size + 1 WHERE booking_id = '{party}'",
    "UPDATE idempotency_ledger SET expires_at = now() WHERE answer #>> '{{hold,hold_id}}' = '{released}'",
    "DELETE FROM holds WHERE hold_id = '{released}'",
    "UPDATE holds SET created_at = now() - interval '1 day', expires_at = now() WHERE booking_id = '{changed}'",
    "DELETE FROM table_claims WHERE booking_id = '{changed}' AND kind = 'hold'",
    "UPDATE blocks SET window_start = now() - interval '2 hours', window_end = now() WHERE block_id = '{block}'",
    "DELETE FROM table_claims WHERE block_id = '{block}'",
    "DELETE FROM capacity_outbox WHERE restaurant_id = '{restaurant}' AND floor_version = 1",
    (
        "UPDATE capacity_outbox SET status = 'done', attempt_count = 1"
        " WHERE restaurant_id = '{restaurant}' AND floor_version <= 3"
    ),
    (
        "UPDATE capacity_outbox SET status = 'pending', redriven_at = now()"
        " WHERE restaurant_id = '{restaurant}' AND floor_version = 2"
    ),
    (
        "INSERT INTO outbox_streams (restaurant_id, settled_version, settled_position, compacted_version)"
        " VALUES ('{restaurant}', 3, 9, 1)"
    ),
    "DELETE FROM audit_log WHERE restaurant_id = '{restaurant}' AND floor_version = 1",
    "INSERT INTO history_cleared (restaurant_id, audit_version) VALUES ('{restaurant}', 1)",
    "UPDATE audit_log SET details = details - 'events' WHERE restaurant_id = '{restaurant}' AND floor_version = 4",
)
# Checks of what holds for all restaurants.
OF_SCHEMA = {"overlap_refused", "rules_in_force"}


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
        "changed": changed.booking_id,
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


@pytest.fixture(scope="module")
async def spoiled(postgres: TestServer) -> AsyncIterator[Served]:
    """A server for restaurants whose rows are damaged: each test has a tenant of its own there."""
    settings = load_settings(port=0, log_level="warning", pool_size_min=1)
    async with postgres.fresh_database() as url, serving(settings, url) as running:
        yield Served(running.address, url, uuid4())


@pytest.mark.parametrize("name", [name for name, damage in DAMAGES.items() if not damage.of_schema])
async def test_a_damage_is_noticed_by_its_check_and_named(name: str, spoiled: Served) -> None:
    await require_noticed(DAMAGES[name], replace(spoiled, tenant_id=uuid4()))


@pytest.mark.parametrize("name", [name for name, damage in DAMAGES.items() if damage.of_schema])
async def test_a_damaged_schema_is_noticed(name: str, server: Served) -> None:
    await require_noticed(DAMAGES[name], server)


async def require_noticed(damage: Damage, server: Served) -> None:
    async with server.client() as client:
        ids = await furnished(await small_world(client))
        await damaged(server.database_url, damage, ids)
        answer = await check(client)
        assert noticed(answer) == damage.checks
        assert noticed(await check(client, ids["restaurant"])) == damage.checks
    check_id = next(iter(damage.checks))
    example = first_example(answer, check_id)
    assert example.restaurant_id == ("" if check_id in OF_SCHEMA else ids["restaurant"])
    assert example.message
    for part, keys in damage.ids.items():
        assert named(example, part) == sorted(ids[key] for key in keys.split()), part


async def test_every_answer_that_gave_tables_is_held_against_what_is_there(server: Served) -> None:
    """One that took all tables away names no assignment, and misses none."""
    async with server.client() as client:
        world = await small_world(client)
        await world.replace(await world.hold(await world.booking(), "T1"), "T2")
        merged = await world.seated("T3", "T4", party=4)
        await world.unassign(merged, "T4")
        await world.reassign(merged, "T4")
        await world.unassign(merged)
        assert noticed(await check(client)) == {}
        gone = (
            "UPDATE holds SET hold_id = gen_random_uuid(), state = 'released' WHERE state = 'active'",
            "DELETE FROM table_claims WHERE kind = 'hold'",
            "UPDATE assignments SET assignment_id = gen_random_uuid() WHERE cardinality(table_ids) = 1",
        )
        await damaged(server.database_url, Damage(gone, {}), {})
        answer = await check(client)
    assert noticed(answer) == {"ledger_matches_state": 3}
    (found,) = [each for each in answer.checks if each.violations]
    methods = {example.message.split()[0] for example in found.examples}
    assert methods == {"ReplaceHold", "ReassignTables", "UnassignTables"}


async def test_a_merge_that_lost_a_table_is_looked_at_like_any_other(server: Served) -> None:
    async with server.client() as client:
        world = await small_world(client)
        booking = await world.seated("T1", "T2", "T3", party=8)
        rest = (await world.unassign(booking, "T3")).assignment
        fixed = "UPDATE tables SET movable = false WHERE table_id = '{T1}'"
        regained = one_more("T3", f"assignment_id = '{rest.assignment_id}' AND table_id = '{{T1}}'")
        await damaged(server.database_url, Damage((fixed, regained), {}), world.tables)
        answer = await check(client)
    assert noticed(answer) == {"merges_legal": 1, "assignments_match_claims": 1}
    for broken in noticed(answer):
        assert first_example(answer, broken).assignment_id == rest.assignment_id


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
    assert noticed(answer) == {}
    assert before["now"] <= instant(answer.checked_at) <= after["now"]
    tables = {"claims": "table_claims", "events": "capacity_outbox", "audit_entries": "audit_log"}
    for kind in answer.counts.DESCRIPTOR.fields_by_name:
        table = tables.get(kind, kind)
        counted = await row(server.database_url, f"SELECT count(*) AS rows FROM {table}")
        assert getattr(answer.counts, kind) == counted["rows"] > 0, kind


async def test_what_is_right_in_another_way_is_no_violation(server: Served) -> None:
    """Parties have left, a claim is not enforced, a change has two entries, and much is over."""
    async with server.client() as client:
        ids = await furnished(await small_world(client))
        forgotten = "DELETE FROM table_claims WHERE assignment_id = '{assignment}'"
        twice = """
            INSERT INTO audit_log (restaurant_id, tenant_id, floor_version, occurred_at, actor, action, resource,
                resource_id, reason, details)
            SELECT restaurant_id, tenant_id, floor_version, occurred_at, actor, action, resource, resource_id, reason,
                details - 'events'
            FROM audit_log
            WHERE restaurant_id = '{restaurant}' AND floor_version = 2
        """
        unenforced = """
            INSERT INTO table_claims (restaurant_id, table_id, during, kind, hold_id, booking_id, expires_at, enforced)
            SELECT restaurant_id, table_id, during, kind, hold_id, booking_id, expires_at, false
            FROM table_claims WHERE hold_id = '{hold}'
        """
        past = Damage((*LATER, forgotten, twice, unenforced, *AGED), {})
        await damaged(server.database_url, past, ids)
        assert noticed(await check(client)) == {}


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("queued", None),
        ("waiting", "refused"),
        ("waiting", "gave_up"),
        ("ended", "refused"),
        ("ended", "gave_up"),
    ],
)
async def test_what_waits_for_the_worker_or_was_given_up_is_no_violation(
    server: Served, state: str, outcome: str | None
) -> None:
    async with server.client() as client:
        world = await small_world(client)
        booking = await world.booking()
        await world.transition(booking, BookingAction.BOOKING_ACTION_QUEUE)
        await world.hold(booking, "T1")
        async with connected(server.database_url) as connection:
            await connection.execute(
                "UPDATE auto_assign_jobs SET state = $1, outcome = $2, decided_at = CASE WHEN $3 THEN now() END,"
                " trigger = CASE WHEN $3 THEN 'background' END, next_attempt_at = CASE WHEN $4 THEN now() END",
                state,
                outcome,
                outcome is not None,
                state != "ended",
            )
        assert noticed(await check(client)) == {}


async def test_a_clean_restaurant_is_right_at_a_glance(server: Served) -> None:
    """Only epochs are looked at row by row when they differ among the bookings of a restaurant."""
    async with server.client() as client:
        ids = await furnished(await small_world(client))
    await damaged(server.database_url, Damage(LATER, {}), ids)
    async with connected(server.database_url) as connection:
        (glance,) = await connection.fetch(LOOKING["glance"], None)
    assert [name for name in GLANCED if glance[name]] == ["epochs_in_order"]


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


async def test_whoever_looks_at_everything_sees_what_each_tenant_sees(server: Served) -> None:
    """Answers that refused something are no record of what is there."""
    async with server.client() as client:
        world = await small_world(client)
        ids = await furnished(world)
        await refused(world.hold(await world.booking(), "T1"), TableConflictAssignedError)
        for name in ONE_OF_EACH:
            await damaged(server.database_url, DAMAGES[name], ids)
        seen = noticed(await check(client))
    report = await verify_database(load_settings(database_url=server.database_url))
    assert {each.check_id: each.violations for each in report.checks} == seen


async def test_a_tenant_without_restaurants_has_nothing_to_report(server: Served) -> None:
    damage = DAMAGES["the constraint is gone"]
    await damaged(server.database_url, damage, {})
    async with server.client() as client:
        answer = await check(client)
    assert (answer.violations, answer.counts.restaurants) == (0, 0)


async def test_a_floor_that_was_changed_since_makes_no_merge_illegal(server: Served) -> None:
    """Although the database's clock was set back by an hour in between."""
    set_back = ("UPDATE assignments SET created_at = created_at + interval '1 hour'",)
    async with server.client() as client:
        world = await small_world(client)
        await damaged(server.database_url, Damage(set_back, {}), await furnished(world))
        floor = await world.floor()
        for table in floor.tables:
            table.movable = False
        request = PutFloorRequest(request_id=new_request_id(), restaurant_id=world.restaurant_id, floor=floor)
        await client.put_floor(request)
        assert noticed(await check(client)) == {}


async def test_what_is_left_of_a_restaurant_that_is_gone_is_noticed(server: Served) -> None:
    """Nobody is left to ask for it but who looks at the whole database."""
    async with server.client() as client:
        ids = await furnished(await small_world(client))
    await damaged(
        server.database_url,
        Damage(("DELETE FROM restaurants WHERE restaurant_id = '{restaurant}'",), {}),
        ids,
    )
    report = await verify_database(load_settings(database_url=server.database_url))
    seen = {each.check_id: each.examples[0] for each in report.checks if each.violations}
    assert set(seen) == {"floor_known", "one_event_per_change", "changes_audited", "ledger_matches_state"}
    assert {str(example.restaurant_id) for example in seen.values()} == {ids["restaurant"]}


async def test_looking_mends_nothing(server: Served) -> None:
    """What is wrong is reported every time, and every row stays as it is."""
    async with server.client() as client:
        ids = await furnished(await small_world(client))
        await damaged(server.database_url, DAMAGES["an assignment has lost a claim"], ids)
        async with nothing_written(server.database_url, ids["restaurant"], str(server.tenant_id)):
            assert noticed(await check(client)) == noticed(await check(client, ids["restaurant"])) != {}
            report = await verify_database(load_settings(database_url=server.database_url))
    assert report.violations == 1
