"""The shared server of tests: each test sees and changes what its own tenant has, and nothing else."""

from dataclasses import replace
from uuid import uuid4

from tests.builders.world import small_world
from tests.conftest import Served
from tests.support.database import rows

RESTAURANTS = "SELECT restaurant_id::text AS id FROM restaurants"
AUDITED = "SELECT DISTINCT restaurant_id::text AS id FROM audit_log"


async def test_two_tests_on_one_server_each_see_and_change_only_their_own_rows(shared_server: Served) -> None:
    another = replace(shared_server, tenant_id=uuid4())
    async with shared_server.client() as mine, another.client() as theirs:
        my_world, their_world = await small_world(mine), await small_world(theirs)
    for served, world in ((shared_server, my_world), (another, their_world)):
        for query in (RESTAURANTS, AUDITED):
            assert await rows(served.database_url, query) == [{"id": world.restaurant_id}]
        assert len(await rows(served.database_url, "SELECT FROM tables")) == len(world.tables)
    await rows(shared_server.database_url, "UPDATE restaurants SET name = 'ours' RETURNING name")
    assert await rows(another.database_url, "SELECT FROM restaurants WHERE name = 'ours'") == []


async def test_no_table_of_a_tenant_is_seen_as_a_whole(shared_server: Served) -> None:
    """Whoever adds a table that tells whose it is need not think of the tests."""
    owned = (
        "SELECT DISTINCT table_name::text AS name FROM information_schema.columns"
        " WHERE table_schema = $1 AND column_name IN ('tenant_id', 'restaurant_id')"
    )
    url = shared_server.database_url
    seen = {row["name"] for row in await rows(url, owned, "own_rows")}
    assert seen == {row["name"] for row in await rows(url, owned, "public")}
    assert {"restaurants", "table_claims", "idempotency_ledger", "capacity_outbox"} <= seen
