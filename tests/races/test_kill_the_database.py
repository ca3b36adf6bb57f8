"""A6: kill -9 of PostgreSQL between any two steps of a confirm, with a server that lives on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import asyncpg

from maitred_client import StoreUnavailableError
from server.bootstrap import migrate_up, serving
from server.config import load_settings
from server.persistence.embedded import EmbeddedPostgres
from server.rpc.health import ask_health
from tests.conftest import FORMS, Served
from tests.races.crowd import attempt
from tests.races.faults import FaultPlan, Moment, cut_before, faulty_connection, killing, moments_of
from tests.races.occasions import occasion, require_whole_or_nothing, undisturbed
from tests.support.database import connected
from tests.support.postgres import TestServer, scratch_directory

HEALTH_INTERVAL_S = 0.05
HEALTH_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Mortal:
    """A server whose PostgreSQL can be killed and started again."""

    server: Served
    postgres: EmbeddedPostgres
    plan: FaultPlan

    async def wait_until(self, health: str) -> None:
        async with asyncio.timeout(HEALTH_WAIT_S):
            # A balancer asks again and again as well.
            while (await ask_health(self.server.address, HEALTH_WAIT_S)).overall != health:  # noqa: ASYNC110
                await asyncio.sleep(HEALTH_INTERVAL_S)


@asynccontextmanager
async def mortal() -> AsyncIterator[Mortal]:
    """On a durable PostgreSQL of its own, as `maitred dev` would start it."""
    plan = FaultPlan()
    settings = load_settings(port=0, log_level="error", pool_size_min=1, health_interval_s=HEALTH_INTERVAL_S)
    with scratch_directory() as data_root:
        postgres = EmbeddedPostgres(data_root, FORMS[0].installation)
        try:
            url = await postgres.start()
            await migrate_up(settings, url)
            async with serving(settings, url, faulty_connection(plan)) as running:
                yield Mortal(Served(running.address, url, uuid4()), postgres, plan)
        finally:
            postgres.kill()


async def test_a_killed_database_keeps_all_of_a_confirm_or_nothing() -> None:
    async with mortal() as world:
        async with connected(world.server.database_url) as database:
            assert await database.fetchval("SHOW fsync") == "on"
        async with occasion(world.server) as ready:
            statements, whole = await undisturbed(ready, ready.world.client, world.plan)
        for at, moment in moments_of(statements):
            committing = statements[at - 1].startswith("COMMIT")
            if moment is Moment.SENT and not committing:
                # The same as before the next statement: PostgreSQL forgets either with the transaction.
                continue
            tenant = replace(world.server, tenant_id=uuid4())
            async with occasion(tenant) as ready:
                strike = killing(world.postgres.kill, moment)
                if committing:
                    # Whatever number it has now: a server that has just found its database again reads floors anew.
                    world.plan.arm_for("COMMIT", strike)
                else:
                    world.plan.arm(at, strike)
                _, error = await attempt(ready.world.client.confirm_hold, ready.request)
                world.plan.disarm()
                assert world.postgres.pid is None
                if error is not None or not committing:
                    assert isinstance(error, StoreUnavailableError), (statements[at - 1], error)
                await world.wait_until("NOT_SERVING")
                await world.postgres.start()
                effect = await ready.effect()
                require_whole_or_nothing(effect, whole, committing, moment)
                assert error is not None or effect == whole
                await world.wait_until("SERVING")
                await ready.require_one_effect(whole)


async def test_health_goes_with_the_database_whatever_the_driver_makes_of_its_end(
    postgres: TestServer,
) -> None:
    plan = FaultPlan()
    settings = load_settings(port=0, log_level="error", health_interval_s=HEALTH_INTERVAL_S)

    class Confused(faulty_connection(plan)):  # type: ignore[misc]
        async def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
            if plan.strike is not None:
                raise asyncpg.InternalClientError(
                    "cannot switch to state 12; another operation is in progress"
                )
            return await super().fetchrow(query, *args, **options)

    async with postgres.fresh_database() as url, serving(settings, url, Confused) as running:
        world = Mortal(Served(running.address, url, uuid4()), postgres.postgres, plan)
        await world.wait_until("SERVING")
        plan.arm(0, cut_before)
        await world.wait_until("NOT_SERVING")
        plan.disarm()
        await world.wait_until("SERVING")
