"""Names that one alphabet takes for two and another for one."""

from google.protobuf.field_mask_pb2 import FieldMask

from maitred_client import AsyncMaitredClient, InvalidArgumentFieldError, new_request_id
from maitred_client.messages import PutFloorRequest, Table, UpdateTableRequest
from tests.builders.world import World, small_world
from tests.builders.world_extras import refused
from tests.conftest import Served
from tests.support.database import connected

# What a database of a Turkish collation makes of capitals, said so that any database can.
TURKISH = "translate(lower(translate(name, 'Iİ', 'ıi')), 'İ', 'i')"


async def change_name(client: AsyncMaitredClient, world: World, table: str, name: str) -> None:
    request = UpdateTableRequest(
        request_id=new_request_id(),
        restaurant_id=world.restaurant_id,
        table=Table(table_id=world.tables[table], name=name),
        update_mask=FieldMask(paths=["name"]),
    )
    await client.update_table(request)


async def test_names_that_only_the_database_takes_for_one_are_refused_in_words(own_server: Served) -> None:
    async with connected(own_server.database_url) as database:
        for table in ("zones", "tables"):
            await database.execute(f"DROP INDEX {table}_name_unique")
            await database.execute(
                f"CREATE UNIQUE INDEX {table}_name_unique ON {table} (restaurant_id, {TURKISH}) WHERE NOT removed"
            )
    async with own_server.client() as client:
        world = await small_world(client)
        floor = await world.floor()
        floor.tables[0].name, floor.tables[1].name = "I1", "ı1"
        request = PutFloorRequest(request_id=new_request_id(), restaurant_id=world.restaurant_id, floor=floor)
        error = await refused(client.put_floor(request), InvalidArgumentFieldError)
        assert error.metadata["field"] == "floor.tables.name"
        assert [violation.field for violation in error.violations] == ["floor.tables.name"]
        await change_name(client, world, "T1", "I1")
        error = await refused(change_name(client, world, "T2", "ı1"), InvalidArgumentFieldError)
        assert (
            [violation.field for violation in error.violations] == [error.metadata["field"]] == ["table.name"]
        )
        await change_name(client, world, "T1", "T1")
        assert {table.name for table in (await world.floor()).tables} == set(world.tables)
