"""`maitred outbox` as an operator uses it when events are dead: the steps of docs/operations.md."""

import pytest

from server.cli.failures import ExitCode
from tests.builders.world import small_world
from tests.conftest import Served
from tests.support.programs import Ended, run
from tests.support.working import mend, poison, until_it_looked, until_settled, worker_on


async def outbox(server: Served, *arguments: str) -> Ended:
    return await run("outbox", *arguments, *server.where)


async def switch(server: Served, *arguments: str) -> dict[str, str]:
    """How the switches stand after a command."""
    ended = await run("outbox", *arguments, "--database-url", server.database_url, "-o", "json")
    return {each["name"]: each["value"] for each in ended.json()}


async def test_a_dead_event_is_found_looked_at_and_redriven(server: Served) -> None:
    async with server.client() as client:
        world = await small_world(client)
    poisoned = await poison(server.database_url, world.restaurant_id)
    async with worker_on(server.database_url):
        await until_settled(server.database_url)
        assert (await outbox(server, "stats", "-o", "json")).json()["dead"] == "1"
        (listed,) = (await outbox(server, "list", "--status", "dead", "-o", "json")).json()
        assert listed["event_id"] == poisoned
        assert world.restaurant_id in (await outbox(server, "list", "--status", "dead")).out
        assert "no handler for events of type" in (await outbox(server, "show", poisoned)).out
        await mend(server.database_url, poisoned)
        redriven = await outbox(server, "redrive", "--all", "--reason", "mended", "-o", "json")
        assert redriven.json() == {"event_ids": [poisoned]}
        await until_settled(server.database_url)
    again = await outbox(server, "redrive", poisoned)
    assert again.code == ExitCode.REFUSED
    assert poisoned in again.err
    few = await outbox(server, "list", "--restaurant", "small world", "--limit", "2")
    assert few.out.count("capacity.inventory.changed") == 2
    assert "Restaurant" not in few.out
    assert "there are more" in few.err


@pytest.mark.parametrize("command", [("stats",), ("list", "--status", "dead"), ("stats", "-o", "json")])
async def test_nothing_of_a_tenant_without_restaurants_does_not_pass_for_good_news(
    server: Served, command: tuple[str, ...]
) -> None:
    assert "check --tenant" in (await outbox(server, *command)).err
    async with server.client() as client:
        await small_world(client)
    assert "check --tenant" not in (await outbox(server, *command)).err


async def test_delivery_is_paused_and_resumed_from_the_command_line(server: Served) -> None:
    async with worker_on(server.database_url):
        assert (await switch(server, "pause", "--reason", "the receiver moves"))["relay"] == "paused"
        turned = await switch(server, "direct-telemetry", "on")
        assert turned == {"direct_telemetry": "on", "relay": "paused"}
        async with server.client() as client:
            await small_world(client)
        await until_it_looked(server.database_url)
        assert "nothing waits" not in (await outbox(server, "stats")).out
        assert (await switch(server, "resume"))["relay"] == "running"
        await until_settled(server.database_url)
    shown = await run("outbox", "switches", "--database-url", server.database_url)
    assert "running" in shown.out
