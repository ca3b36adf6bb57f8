"""A6: kill -9 of the server between any two steps of a confirm."""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from uuid import uuid4

from maitred_client import AsyncMaitredClient, RetryClass, TransportError
from server.bootstrap import serving
from server.config import load_settings
from tests.conftest import Served
from tests.races.attempts import ONCE_ONLY
from tests.races.crowd import attempt
from tests.races.faults import FaultPlan, Moment, faulty_connection, moments_of
from tests.races.occasions import occasion, require_whole_or_nothing, undisturbed

AT_ONCE = 4
START_WAIT_S = 100.0


@dataclass(slots=True)
class DoomedServers:
    """Starts servers that will kill themselves, and knows their addresses."""

    process: asyncio.subprocess.Process
    addresses: dict[tuple[int, Moment], "asyncio.Future[str]"] = field(default_factory=dict)

    async def start(self, at: int, moment: Moment) -> str:
        """The address of a server that dies at this statement."""
        assert self.process.stdin is not None
        awaited = self.addresses.setdefault((at, moment), asyncio.get_running_loop().create_future())
        self.process.stdin.write(f"{at} {moment}\n".encode())
        await self.process.stdin.drain()
        return await asyncio.wait_for(awaited, START_WAIT_S)

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            at, moment, address = line.decode().split()
            self.addresses[int(at), Moment(moment)].set_result(address)


@asynccontextmanager
async def doomed_servers(url: str) -> AsyncIterator[DoomedServers]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.races.doomed_server", url),
        stdin=PIPE,
        stdout=PIPE,
        # A group of its own, so that no server outlives the test.
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    servers = DoomedServers(process)
    listening = asyncio.create_task(servers.listen())
    try:
        yield servers
    finally:
        listening.cancel()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def confirmed_by_a_fresh_server(server: Served) -> tuple[list[str], dict[str, int]]:
    """The statements of a confirm by a server that has read nothing yet, and its whole effect."""
    plan = FaultPlan()
    async with (
        occasion(server) as ready,
        serving(load_settings(port=0), server.database_url, faulty_connection(plan)) as fresh,
        AsyncMaitredClient(fresh.address, tenant_id=server.tenant_id, actor="killed") as client,
    ):
        return await undisturbed(ready, client, plan)


async def test_a_killed_server_leaves_all_of_a_confirm_or_nothing(server: Served) -> None:
    statements, whole = await confirmed_by_a_fresh_server(server)
    places = asyncio.Semaphore(AT_ONCE)

    async def die(servers: DoomedServers, at: int, moment: Moment) -> None:
        tenant = replace(server, tenant_id=uuid4())
        async with places, occasion(tenant) as ready:
            address = await servers.start(at, moment)
            async with AsyncMaitredClient(
                address, tenant_id=tenant.tenant_id, actor="killed", retry=ONCE_ONLY
            ) as client:
                answer, error = await attempt(client.confirm_hold, ready.request)
            assert answer is None, (at, moment)
            assert isinstance(error, TransportError), (at, moment, error)
            assert error.retry is RetryClass.SAME_KEY
            effect = await ready.effect()
            require_whole_or_nothing(effect, whole, statements[at - 1].startswith("COMMIT"), moment)
            await ready.require_one_effect(whole)

    async with doomed_servers(server.database_url) as servers, asyncio.TaskGroup() as group:
        for at, moment in moments_of(statements):
            group.create_task(die(servers, at, moment))
