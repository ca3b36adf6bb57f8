"""`maitred auto-assign` against a running server."""

import json
import re

import pytest

from maitred_client import AsyncMaitredClient
from server.cli.failures import ExitCode
from tests.builders.world import World, small_world
from tests.conftest import Served
from tests.support.database import restaurant_locked
from tests.support.programs import Ended, run


@pytest.fixture
async def world(client: AsyncMaitredClient) -> World:
    return await small_world(client)


async def auto_assign(server: Served, *arguments: str) -> Ended:
    where = ("--address", server.address, "--tenant", str(server.tenant_id))
    return await run("auto-assign", *where, *arguments)


async def test_a_booking_gets_the_best_tables_and_keeps_them(server: Served, world: World) -> None:
    booking = await world.booking(party=4)
    first = (await auto_assign(server, booking.booking_id, "--avoid", "t1,T3", "-o", "json")).json()
    assert first["outcome"] == "AUTO_ASSIGN_OUTCOME_COMPLETED_IN_TIME"
    assert not set(first["assignment"]["table_ids"]) & set(world.ids(["T1", "T3"]))
    assert (await auto_assign(server, booking.booking_id, "-o", "json")).json() == first
    shown = await auto_assign(server, booking.booking_id, "--cutoff", "30")
    assert shown.code == ExitCode.OK
    assert f"{booking.booking_id} is confirmed" in shown.out
    assert re.search(r"outcome +completed in time", shown.out)


async def test_nothing_that_fits_and_a_cutoff_end_with_3_and_say_what_to_do(
    server: Served, world: World
) -> None:
    too_many = await auto_assign(server, (await world.booking(party=90)).booking_id)
    assert (too_many.code, "NO_FEASIBLE_PLAN" in too_many.err) == (ExitCode.REFUSED, True)
    assert "retry: HUMAN" in too_many.err
    booking = await world.booking()
    late = await auto_assign(server, booking.booking_id, "--cutoff", str(31 * 24 * 60))
    assert (late.code, "CUTOFF_PASSED" in late.err) == (ExitCode.REFUSED, True)


async def test_out_of_time_ends_with_3_and_nothing_has_changed(server: Served, world: World) -> None:
    booking = await world.booking()
    async with restaurant_locked(server.database_url, world.restaurant_id):
        ended = await auto_assign(server, booking.booking_id, "--timeout", "1", "-o", "json")
    assert ended.code == ExitCode.REFUSED
    assert json.loads(ended.out)["next_steps"] == ["NEXT_STEP_RETRY_SAME_REQUEST"]
    assert "nothing has changed" in ended.err
    assert await world.read(booking.booking_id) == booking
