"""Blocks: tables taken for nobody."""

from datetime import timedelta

import pytest

from maitred_client import (
    AsyncMaitredClient,
    RequestIdReusedError,
    TableBlockedError,
    TableConflictHeldError,
)
from maitred_client.messages import (
    BlockCause,
    ListBlocksRequest,
    UnblockTablesRequest,
)
from tests.builders.world import TableSpec, evening, small_world, stamp
from tests.builders.world_extras import House, refused
from tests.conftest import Served
from tests.support.database import expire, row

pytestmark = pytest.mark.shared_server


async def test_a_block_takes_its_tables_until_it_is_taken_away(place: House) -> None:
    block = await place.block("W1", "F6", start=evening(18), end=evening(20))
    assert list(block.table_ids) == sorted(place.ids(["W1", "F6"]))
    assert (block.cause, block.actor, block.released) == (
        BlockCause.BLOCK_CAUSE_MAINTENANCE,
        "tests",
        False,
    )
    error = await refused(place.hold(await place.party(), "W1"), TableBlockedError)
    (conflict,) = error.conflicts
    assert (conflict.blocker_kind, conflict.free_from) == ("BLOCK", evening(20))
    await place.hold(await place.party(start=evening(20)), "W1")
    request = UnblockTablesRequest(restaurant_id=place.restaurant_id, block_id=block.block_id)
    assert (await place.client.unblock_tables(request)).block.released
    version = (await place.restaurant()).floor_version
    assert (await place.client.unblock_tables(request)).block.released
    assert (await place.restaurant()).floor_version == version
    await place.hold(await place.party(start=evening(18)), "W1")


async def test_a_block_clears_an_expired_hold_away(place: House, server: Served) -> None:
    gone = await place.hold(await place.party(), "W4")
    await expire(server.database_url, gone.hold_id)
    await place.block("W4")
    assert (await row(server.database_url, "SELECT state FROM holds"))["state"] == "expired"


async def test_a_block_over_live_claims_is_refused_listing_all_of_them(place: House, server: Served) -> None:
    await place.seated("W1")
    await place.hold(await place.party(start=evening(17)), "W2")
    await place.block("W3")
    gone = await place.hold(await place.party(), "W4")
    await expire(server.database_url, gone.hold_id)
    request = place.block_request(["W1", "W2", "W3", "W4"], start=evening(16), end=evening(23))
    error = await refused(place.client.block_tables(request), TableBlockedError)
    in_the_way = {(conflict.table_id, conflict.blocker_kind) for conflict in error.conflicts}
    assert in_the_way == {
        (place.tables["W1"], "ASSIGNMENT"),
        (place.tables["W2"], "HOLD"),
        (place.tables["W3"], "BLOCK"),
    }
    told = [check.reason for check in error.failed_checks]
    assert told == ["TABLE_BLOCKED", "TABLE_CONFLICT_ASSIGNED", "TABLE_CONFLICT_HELD"]
    await place.block("W4")


async def test_a_blocked_table_is_not_assigned_and_a_held_one_not_blocked(place: House) -> None:
    await place.hold(await place.party(), "W1")
    await refused(place.block("W1"), TableConflictHeldError)
    await place.block("W1", start=evening(21), end=evening(22))


async def test_blocks_are_listed_by_window_until_they_are_taken_away(place: House) -> None:
    morning = await place.block("W1", start=evening(10), end=evening(12))
    night = await place.block("W2", start=evening(20), end=evening(22))

    async def listed(start: int, end: int) -> list[str]:
        request = ListBlocksRequest(
            restaurant_id=place.restaurant_id,
            window_start=stamp(evening(start)),
            window_end=stamp(evening(end)),
            page_size=1,
        )
        return [block.block_id async for block in place.client.iterate_blocks(request)]

    assert await listed(9, 23) == [morning.block_id, night.block_id]
    assert await listed(12, 20) == []
    request = UnblockTablesRequest(restaurant_id=place.restaurant_id, block_id=morning.block_id)
    await place.client.unblock_tables(request)
    assert await listed(9, 23) == [night.block_id]


async def test_a_block_may_be_long(place: House) -> None:
    await place.block("W1", start=evening(), end=evening() + timedelta(days=366))
    await refused(
        place.hold(await place.party(start=evening() + timedelta(days=200)), "W1"), TableBlockedError
    )


async def test_of_many_conflicts_the_first_are_listed_and_the_rest_are_admitted(
    client: AsyncMaitredClient,
) -> None:
    many = [TableSpec(f"T{number}") for number in range(60)]
    place = await small_world(client, tables=many, adjacent=())
    names = [table.name for table in many]
    await place.block(*names)
    error = await refused(place.block(*names), TableBlockedError)
    assert error.details.conflicts_truncated
    listed = [conflict.table_id for conflict in error.conflicts]
    assert listed == sorted(place.tables.values())[: len(listed)]
    assert listed


async def test_another_window_under_the_same_request_id_is_named_field_by_field(place: House) -> None:
    request = place.block_request(["W1"])
    await place.client.block_tables(request)
    request.window_end.CopyFrom(stamp(evening(23)))
    request.note = "until closing"
    error = await refused(place.client.block_tables(request), RequestIdReusedError)
    assert error.metadata["differing_fields"].split(",") == ["note", "window_start", "window_end"]
