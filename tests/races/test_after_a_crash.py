"""A7, A16: A server is killed between commit and answer; another gives the answer, and nothing happens twice."""

import asyncio
from dataclasses import replace
from uuid import uuid4

from maitred_client import AsyncMaitredClient, RetryClass, TransportError
from maitred_client.messages import GetOperationRequest, OperationState
from tests.builders.world import small_world
from tests.conftest import Served
from tests.races.attempts import ONCE_ONLY
from tests.races.crowd import attempt
from tests.races.evidence import broken_invariants, dump
from tests.races.faults import Moment
from tests.races.test_kill_the_server import AT_ONCE, DoomedServers, doomed_servers
from tests.races.test_one_request_one_answer import CHANGES, as_bytes, client_of, rpc_name
from tests.support.database import connected

# One change for each method: several ways of one come to the same answer.
ONE_OF_EACH = {method: name for name, (method, _) in CHANGES.items()}


async def test_every_change_is_answered_by_another_server_after_a_crash(server: Served) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def die(servers: DoomedServers, number: int, name: str) -> None:
        tenant = replace(server, tenant_id=uuid4())
        async with places:
            address = await servers.start(number, Moment.RECORDED)
            await require_one_answer(tenant, replace(tenant, address=address), name)

    async with doomed_servers(server.database_url) as servers, asyncio.TaskGroup() as group:
        for number, name in enumerate(ONE_OF_EACH.values()):
            group.create_task(die(servers, number, name))


async def require_one_answer(elsewhere: Served, doomed: Served, name: str) -> None:
    """The doomed server makes the change and dies; GetOperation and every repeat elsewhere give one answer to it."""
    method, prepare = CHANGES[name]
    async with (
        client_of(elsewhere, ONCE_ONLY) as client,
        AsyncMaitredClient(
            doomed.address, tenant_id=doomed.tenant_id, actor="again", retry=ONCE_ONLY
        ) as crashing,
        connected(elsewhere.database_url) as database,
    ):
        world = await small_world(client)
        request = await prepare(world)
        before = await dump(database, world.restaurant_id)
        answer, error = await attempt(getattr(crashing, method), request)
        assert answer is None, name
        assert isinstance(error, TransportError), (name, error)
        assert error.retry is RetryClass.SAME_KEY
        after = await dump(database, world.restaurant_id)
        assert after != before, name
        asked = GetOperationRequest(method=rpc_name(method), operation_request_id=request.request_id)  # type: ignore[attr-defined]
        told = await client.get_operation(asked)
        assert told.state == OperationState.OPERATION_STATE_SUCCEEDED, name
        for _ in range(2):
            assert as_bytes(await getattr(client, method)(request)) == told.response.value, name
        assert await dump(database, world.restaurant_id) == after, name
        assert await broken_invariants(database, world.restaurant_id) == {}
