"""`maitred auto-assign` against a running server."""

import asyncio
import json
import re

import pytest

from server.cli.failures import ExitCode
from tests.builders.world import World, evening
from tests.builders.world_extras import UNKNOWN_ID
from tests.conftest import Served
from tests.support.clock import let_pass
from tests.support.database import restaurant_locked, somebody_waits
from tests.support.programs import Ended, run

PATIENCE_S = 60.0

pytestmark = pytest.mark.shared_server


async def auto_assign(server: Served, *arguments: str) -> Ended:
    return await run("auto-assign", *server.where, *arguments)


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


async def out_of_time(
    server: Served, world: World, monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> Ended:
    """How the command ends whose time is over while it waits for the restaurant."""
    async with restaurant_locked(server.server_url, world.restaurant_id) as locking:
        command = asyncio.create_task(auto_assign(server, *arguments, "--timeout", f"{PATIENCE_S:g}"))
        await somebody_waits(locking)
        let_pass(monkeypatch, PATIENCE_S)
    return await command


async def test_out_of_time_ends_with_3_and_nothing_has_changed(
    server: Served, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    booking = await world.booking()
    ended = await out_of_time(server, world, monkeypatch, booking.booking_id, "-o", "json")
    assert ended.code == ExitCode.REFUSED
    assert json.loads(ended.out)["next_steps"] == ["NEXT_STEP_RETRY_SAME_REQUEST"]
    assert "nothing has changed" in ended.err
    assert await world.read(booking.booking_id) == booking


async def test_a_service_date_is_assigned_with_a_summary(server: Served, world: World) -> None:
    date = evening().date().isoformat()
    pair, crowd = await world.booking(party=2, start=evening(18)), await world.booking(party=90)
    shown = await auto_assign(server, "--date", date, "--order", "size-desc", "--cutoff", "30")
    assert shown.code == ExitCode.OK
    lines = [line.split() for line in shown.out.splitlines() if line.endswith(("-", *"0123456789abcdef"))]
    assert [line[-1] for line in lines[:2]] == [crowd.booking_id, pair.booking_id]
    assert lines[1][:2] == ["18:00", "2"]
    assert re.search(r"assigned +1", shown.out)
    assert re.search(r"NO_FEASIBLE_PLAN +1", shown.out)
    again = (await auto_assign(server, "--date", date, "-o", "json")).json()
    assert [each["booking_id"] for each in again["decisions"]] == [crowd.booking_id]
    assert again["summary"]["refusals"] == [{"reason": "ERROR_REASON_NO_FEASIBLE_PLAN", "bookings": 1}]
    lined = await auto_assign(server, "--date", date, "-o", "jsonl")
    assert [json.loads(line).get("done", 0) for line in lined.out.splitlines()] == [0, 1, 1]


async def test_a_service_date_without_enough_time_ends_with_3(
    server: Served, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.booking()
    ended = await out_of_time(server, world, monkeypatch, "--date", evening().date().isoformat())
    assert (ended.code, "1 booking undecided" in ended.err) == (ExitCode.REFUSED, True)


@pytest.mark.parametrize("arguments", [(), (UNKNOWN_ID, "--date", "2031-05-01"), ("--date", "tomorrow")])
async def test_either_a_booking_or_a_date(server: Served, world: World, arguments: tuple[str, ...]) -> None:
    assert (await auto_assign(server, *arguments)).code == ExitCode.USAGE
