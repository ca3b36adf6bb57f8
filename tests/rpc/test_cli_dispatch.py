"""`maitred dispatch` against a running server and worker, and what `maitred booking` shows of it."""

import re

from maitred_client import AsyncMaitredClient
from server.cli.failures import ExitCode
from tests.builders.world import small_world
from tests.conftest import Served
from tests.support.programs import Ended, run
from tests.support.working import until, worker_on


async def maitred(server: Served, command: str, *arguments: str) -> Ended:
    return await run(command, *server.where, *arguments)


async def test_a_booking_is_left_to_the_worker_and_shows_what_became_of_it(
    server: Served, client: AsyncMaitredClient
) -> None:
    world = await small_world(client)
    booking = await world.booking(party=4)
    queued = await maitred(server, "dispatch", booking.booking_id, "--cutoff", "30", "--reason", "by phone")
    assert queued.code == ExitCode.OK, queued.err
    assert f"{booking.booking_id} is pending allocation" in queued.out
    assert re.search(r"auto-assign +queued, next try at", queued.out)
    async with worker_on(server.database_url, auto_assign_poll_s=0.02):
        await until(server.database_url, "SELECT state FROM auto_assign_jobs", [{"state": "ended"}])
    shown = await maitred(server, "booking", booking.booking_id)
    assert f"{booking.booking_id} is confirmed" in shown.out
    assert re.search(r"decided +completed in time \(background, .*, 1 try\)", shown.out)
    assert "pending allocation by maitred-cli, by phone" in shown.out
    told = (await maitred(server, "booking", booking.booking_id, "-o", "json")).json()
    assert told["booking"]["auto_assign_job"]["outcome"] == "AUTO_ASSIGN_JOB_OUTCOME_COMPLETED_IN_TIME"
    again = await maitred(server, "dispatch", booking.booking_id)
    assert (again.code, "BOOKING_ALREADY_ASSIGNED" in again.err) == (ExitCode.REFUSED, True)


async def test_a_first_try_after_the_cutoff_names_the_field(
    server: Served, client: AsyncMaitredClient
) -> None:
    world = await small_world(client)
    booking = await world.booking()
    late = await maitred(server, "dispatch", booking.booking_id, "--at", "2099-01-01T12:00")
    assert (late.code, "not_before" in late.err) == (ExitCode.REFUSED, True)
    odd = await maitred(server, "dispatch", booking.booking_id, "--at", "teatime")
    assert (odd.code, "--at" in odd.err) == (ExitCode.USAGE, True)
