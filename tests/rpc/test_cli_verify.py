"""V8: `maitred verify` against a running server and against a database alone."""

import json
from uuid import uuid4

import pytest

from server.cli.failures import ExitCode
from tests.builders.world import World, small_world
from tests.conftest import Served
from tests.support.database import connected
from tests.support.postgres import TestServer
from tests.support.programs import Ended, run


@pytest.fixture
async def world(server: Served) -> World:
    async with server.client() as client:
        world = await small_world(client)
        await world.seated("T1")
    return world


async def damage(server: Served) -> None:
    """Takes the seated booking's claim away, past the service."""
    async with connected(server.database_url) as connection:
        await connection.execute("SET session_replication_role = replica; DELETE FROM table_claims")


async def by_server(server: Served, *arguments: str) -> Ended:
    return await run("verify", *server.where, *arguments)


async def test_a_clean_tenant_ends_with_0(server: Served, world: World) -> None:
    found = (await by_server(server, "-o", "json")).json()
    assert found["violations"] == 0
    assert {check["violations"] for check in found["checks"]} == {0}
    assert found["counts"]["claims"] == 1
    for wanted in (world.restaurant_id, "small world"):
        assert (await by_server(server, "--restaurant", wanted, "-o", "json")).json()["violations"] == 0


async def test_a_tenant_without_restaurants_is_not_called_clean_without_a_word(server: Served) -> None:
    ended = await by_server(server)
    assert ended.code == ExitCode.OK
    assert "check --tenant" in ended.err


async def test_violations_end_with_7_and_are_named(server: Served, world: World) -> None:
    await damage(server)
    ended = await by_server(server, "-o", "json")
    assert ended.code == ExitCode.NOT_READY
    found = json.loads(ended.out)
    assert found["violations"] == 1
    (broken,) = [check for check in found["checks"] if check["violations"]]
    assert broken["check_id"] == "assignments_match_claims"
    assert broken["examples"][0]["restaurant_id"] == world.restaurant_id
    assert broken["examples"][0]["table_ids"] == world.ids(["T1"])
    shown = await by_server(server)
    assert shown.code == ExitCode.NOT_READY
    assert "wrong  assignments_match_claims" in shown.out
    assert broken["description"][-30:] in " ".join(shown.out.split()), "what is wrong is explained"
    assert "is not asked" not in shown.out, "a rule that holds is told in a sentence"
    assert f"restaurant {world.restaurant_id}" in shown.out
    lines = [json.loads(line) for line in (await by_server(server, "-o", "jsonl")).out.splitlines()]
    assert lines == found["checks"]


async def test_a_whole_database_is_looked_at_without_a_server(server: Served, world: World) -> None:
    database = ("--database-url", server.database_url, "-o", "json")
    assert (await run("verify", *database)).json()["counts"]["restaurants"] == 1
    await damage(server)
    ended = await run("verify", *database)
    assert ended.code == ExitCode.NOT_READY
    assert json.loads(ended.out)["violations"] == 1
    other = ("--address", server.address, "--tenant", str(uuid4()), "-o", "json")
    assert (await run("verify", *other)).json()["violations"] == 0


async def test_a_database_without_a_schema_cannot_be_looked_at(postgres: TestServer) -> None:
    async with postgres.empty_database() as url:
        ended = await run("verify", "--database-url", url)
    assert ended.code == ExitCode.NOT_READY
    assert "maitred migrate up" in ended.err
    assert "Traceback" not in ended.err


async def test_a_restaurant_and_a_whole_database_do_not_go_together() -> None:
    ended = await run("verify", "--database", "--restaurant", "Lumen")
    assert ended.code == ExitCode.USAGE
