"""`maitred plan` says what else there is, and what would help."""

import re
from datetime import timedelta

import pytest

from server.cli.failures import ExitCode
from tests.builders.world import evening
from tests.builders.world_extras import House
from tests.conftest import Served
from tests.support.programs import Ended, run

pytestmark = pytest.mark.shared_server


async def plan(server: Served, place: House, *arguments: str) -> Ended:
    where = (*server.where, "--restaurant", place.restaurant_id)
    ended = await run("plan", *where, *arguments)
    assert ended.code == ExitCode.OK, ended.err
    return ended


async def test_other_zones_and_times_come_nearest_first(server: Served, place: House) -> None:
    start = evening().isoformat()
    asked = ("--party", "4", "--start", start, "--zone", "Terrace", "--alternatives", "3")
    lines = [line.rstrip() for line in (await plan(server, place, *asked)).out.splitlines()]
    offered = lines[next(at for at, line in enumerate(lines) if line.startswith("Instead")) + 1 :]
    assert [line.split("  ")[0] for line in offered] == ["sit in another zone", "come earlier", "come later"]
    assert ["18:45" in offered[1], "19:15" in offered[2]] == [True, True]
    told = (await plan(server, place, *asked, "-o", "json")).json()
    assert [each["changes"] for each in told["alternatives"]] == [["zone_id"], ["start"], ["start"]]
    assert "Instead" not in (await plan(server, place, *asked[:-2])).out


async def test_a_large_party_is_told_what_there_is_and_what_it_would_take(
    server: Served, place: House
) -> None:
    shown = (await plan(server, place, "--party", "15", "--start", evening().isoformat())).out
    assert "nothing here seats this party" in shown
    assert re.search(r"largest set +seats 12", shown)
    assert re.search(r"CAPACITY_INSUFFICIENT +8 +\d+ .*another", shown)
    assert "merge more tables" in shown
    assert "COMBINATION_TOO" in shown.split("Instead")[1]


async def test_whoever_avoids_the_tables_that_would_do_is_not_told_that_nothing_does(
    server: Served, place: House
) -> None:
    asked = ("--party", "8", "--start", evening().isoformat(), "--limit", "50")
    plans = (await plan(server, place, *asked, "-o", "json")).json()["plans"]
    avoid = ",".join({name for each in plans for name in each["table_names"]})
    shown = (await plan(server, place, *asked, "--avoid", avoid)).out
    assert "nothing here seats this party without the tables to avoid" in shown


async def test_what_is_taken_says_when_it_comes_free_and_that_somebody_could_move(
    server: Served, place: House
) -> None:
    next_week = evening() + timedelta(days=9)
    for name in ("W1", "W2", "W3", "W4", "L8"):
        await place.block(name, end=next_week)
    await place.seated("F6", party=3)
    asked = ("--party", "6", "--start", evening().isoformat(), "--zone", "Hall")
    shown = (await plan(server, place, *asked)).out
    assert "moving one other booking makes room" in shown
    words = " ".join(shown.split())
    assert "F6 the party leaves, they move, first free" in words
    assert f"the block is released, first free {next_week:%a %Y-%m-%d %H:%M}" in words
