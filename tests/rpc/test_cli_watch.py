"""`maitred floor --watch` in a process of its own: lines for programs, a living picture for people, and a clean end.
And what `maitred floor` shows by itself: which day, and whose tables.
"""

import asyncio
import json
import os
import pty
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from maitred_client.messages import BookingAction, PutRestaurantRequest, Restaurant
from server.cli.failures import ExitCode
from tests.builders.world import evening
from tests.builders.world_extras import House, always_open_policy
from tests.conftest import Served
from tests.support.programs import PROGRAM, ROOT, run, started

pytestmark = pytest.mark.shared_server

PATIENCE_S = 60.0


def watch_arguments(server: Served, place: House) -> tuple[str, ...]:
    day = evening().date().isoformat()
    return ("floor", "--watch", "--date", day, "--restaurant", place.restaurant_id, *server.where)


async def next_line(process: Process) -> dict[str, object]:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        line = await process.stdout.readline()
    assert line, "the program ended"
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_every_change_is_a_line_until_a_signal_ends_it(
    server: Served, place: House, number: signal.Signals
) -> None:
    async with started(*watch_arguments(server, place), "-o", "json") as process:
        assert "snapshot" in await next_line(process)
        block = await place.block("W1")
        delta = (await next_line(process))["delta"]
        assert isinstance(delta, dict)
        [event] = delta["events"]
        assert event["event_type"] == "capacity.block.created"
        assert event["block"]["block_id"] == block.block_id
        process.send_signal(number)
        _, err = await process.communicate()
        assert process.returncode == ExitCode.OK
        assert b"Traceback" not in err


@asynccontextmanager
async def on_a_terminal(*arguments: str) -> AsyncIterator[tuple[Process, asyncio.StreamReader]]:
    """The program with a terminal of its own, and what it writes there."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAITRED_")}
    environment |= {
        "PYTHONPATH": f"{ROOT}:{ROOT}/gen:{ROOT}/clients",
        "COLUMNS": "150",
        "LINES": "60",
        "TERM": "xterm-256color",
    }
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, *arguments, stdin=theirs, stdout=theirs, stderr=asyncio.subprocess.DEVNULL, env=environment
    )
    os.close(theirs)
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", 0)
    )
    try:
        yield process, reader
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        transport.close()


async def until(reader: asyncio.StreamReader, words: str) -> None:
    seen = ""
    async with asyncio.timeout(PATIENCE_S):
        while words not in seen:
            seen += (await reader.read(65_536)).decode(errors="replace")


@pytest.mark.usefixtures("hangups_heard")
@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
async def test_the_picture_follows_what_happens(server: Served, place: House) -> None:
    async with on_a_terminal(*watch_arguments(server, place)) as (process, screen):
        await until(screen, "0 bookings with 0 guests")
        await place.seated("F6", party=4)
        await until(screen, "1 booking with 4 guests")
        await place.block("W1")
        await until(screen, "1 block")
        process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(PATIENCE_S):
            assert await process.wait() == ExitCode.OK


async def test_a_watched_floor_is_not_written_to_files(server: Served, place: House) -> None:
    ended = await run(*watch_arguments(server, place), "--svg", "never.svg")
    assert ended.code == ExitCode.USAGE
    assert "in the terminal only" in ended.err


async def test_the_day_that_is_shown_is_the_one_on_which_what_is_open_now_opened(server: Served) -> None:
    from tests.builders.world_extras import house

    now = datetime.now(UTC)
    # Where it is noon.
    zone = f"Etc/GMT{now.hour - 12:+d}"
    policy = always_open_policy()
    policy.periods[0].opens = policy.periods[0].closes = "14:00"
    async with server.client() as client:
        place = await house(client, policy=policy, time_zone=zone)
    drawn = (await run("floor", "--restaurant", place.restaurant_id, "-o", "json", *server.where)).json()
    yesterday = now.astimezone(ZoneInfo(zone)).date() - timedelta(days=1)
    assert date.fromisoformat(drawn["start"][:10]) == yesterday


async def test_a_floor_is_shown_before_there_is_a_policy_to_serve_by(server: Served) -> None:
    restaurant = Restaurant(restaurant_id=str(uuid4()), name="Not Open Yet", time_zone="UTC")
    async with server.client() as client:
        await client.put_restaurant(PutRestaurantRequest(restaurant=restaurant))
    drawn = (await run("floor", "--restaurant", restaurant.restaurant_id, "-o", "json", *server.where)).json()
    assert (drawn["start"][10:16], drawn["end"][10:16]) == ("T00:00", "T00:00")


async def test_whoever_left_before_their_time_is_not_drawn_over_who_has_the_table_now(
    server: Served, place: House
) -> None:
    gone = await place.seated("W1")
    await place.transition(gone, BookingAction.BOOKING_ACTION_CHECK_IN)
    await place.transition(gone, BookingAction.BOOKING_ACTION_COMPLETE)
    await place.seated("W1", party=3)
    day = ("--date", evening().date().isoformat())
    drawn = (
        await run("floor", "--restaurant", place.restaurant_id, *day, "-o", "json", *server.where)
    ).json()
    bars = [(bar["kind"], bar["party_size"]) for row in drawn["rows"] for bar in row["bars"]]
    assert bars == [("assignment", 3)]
