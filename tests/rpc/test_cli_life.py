"""`maitred book`, `booking`, `bookings` and `transition` against a running server."""

import re
from uuid import uuid4

import pytest

from maitred_client import AsyncMaitredClient
from maitred_client.messages import BookingAction, BookingStatus
from server.cli.failures import ExitCode
from server.cli.life_commands import Status, Step
from tests.builders.world import evening, small_world
from tests.conftest import Served
from tests.support.programs import Ended, run

pytestmark = pytest.mark.shared_server


async def maitred(server: Served, command: str, *arguments: str) -> Ended:
    return await run(command, *server.where, *arguments)


async def test_a_booking_shows_the_tables_that_it_has_needs_or_keeps(
    server: Served, client: AsyncMaitredClient
) -> None:
    world = await small_world(client)
    booking = await world.booking(party=6)

    async def tables() -> str:
        shown = await maitred(server, "booking", booking.booking_id)
        assert shown.code == ExitCode.OK, shown.err
        found: str = re.findall(r"^tables +(.*?) *$", shown.out, re.MULTILINE)[0]
        return found

    assert await tables() == "needed"
    hold = await world.hold(booking, "T2", "T1")
    held = (await maitred(server, "booking", booking.booking_id)).out
    assert re.search(rf"^hold +{hold.hold_id} on T1 \+ T2, until \d\d:", held, re.MULTILINE)
    await world.assign(booking, "T2", "T1")
    assert await tables() == "T1 + T2"
    await world.booking(booking_id=booking.booking_id, party=7)
    assert await tables() == "needed; keeps T1 + T2 until it has them"
    await world.transition(booking, BookingAction.BOOKING_ACTION_CANCEL)
    assert await tables() == "none"


async def test_a_booking_is_put_and_changed_as_a_whole(server: Served, client: AsyncMaitredClient) -> None:
    world = await small_world(client)
    at = ("--start", evening(19).isoformat())
    wishes = ("--prefer", "quiet,window", "--stay", "90", "--reference", "Rossi, by phone")
    put = await maitred(server, "book", "--party", "4", *at, *wishes, "-o", "json")
    booking = put.json()["booking"]
    assert (booking["party"]["party_size"], booking["party"]["duration"]) == (4, "5400s")
    assert booking["party"]["preferred_attributes"] == ["quiet", "window"]
    assert (booking["reference"], booking["status"]) == ("Rossi, by phone", "BOOKING_STATUS_PENDING")

    shown = (await maitred(server, "booking", booking["booking_id"])).out
    assert re.search(r"^reference +Rossi, by phone *$", shown, re.MULTILINE)

    changed = await maitred(server, "book", "--booking", booking["booking_id"], "--party", "5", *at)
    assert f"{booking['booking_id']} is pending" in changed.out
    for command in ("auto-assign {}", "hold --booking {} --best"):
        assert command.format(booking["booking_id"]) in changed.err
    stored = await world.read(booking["booking_id"])
    assert (stored.party.party_size, stored.reference, len(stored.party.preferred_attributes)) == (5, "", 0)
    assert not stored.party.HasField("duration")

    chosen = str(uuid4())
    mine = await maitred(server, "book", "--booking", chosen, "--party", "2", *at, "-o", "json")
    assert mine.json()["booking"]["booking_id"] == chosen
    nobody = await maitred(server, "book", *at)
    assert (nobody.code, "--party" in nobody.err) == (ExitCode.USAGE, True)
    closed = await maitred(server, "book", "--party", "2", "--start", evening(3).isoformat())
    assert (closed.code, "OUTSIDE_SERVICE_HOURS" in closed.err) == (ExitCode.REFUSED, True)


async def test_the_bookings_of_a_day_are_listed_by_start(server: Served, client: AsyncMaitredClient) -> None:
    world = await small_world(client)
    late, early = await world.booking(start=evening(21)), await world.booking(start=evening(19), party=4)
    await world.assign(early, "T2")
    await world.transition(late, BookingAction.BOOKING_ACTION_CANCEL)
    day = ("--date", evening().date().isoformat())

    listed = (await maitred(server, "bookings", *day)).out
    rows = [line.split() for line in listed.splitlines()[1:]]
    assert [row[:5] for row in rows] == [
        ["19:00", "4", "confirmed", early.booking_id, "T2"],
        ["21:00", "2", "cancelled", late.booking_id, "none"],
    ]
    told = (await maitred(server, "bookings", *day, "-o", "json")).json()
    assert [each["booking_id"] for each in told] == [early.booking_id, late.booking_id]
    only = await maitred(server, "bookings", *day, "--status", "cancelled", "-o", "jsonl")
    assert only.json()["booking_id"] == late.booking_id

    none = await maitred(server, "bookings", *day, "--status", "checked-in", "--status", "no-show")
    assert (none.code, none.out, "no such booking on" in none.err) == (ExitCode.OK, "", True)
    before = await maitred(server, "bookings", "--date", "2025-01-01")
    assert (before.code, "no booking on Wednesday 1 January 2025" in before.err) == (ExitCode.OK, True)


async def test_a_booking_takes_a_step_and_one_that_is_not_next_is_refused(
    server: Served, client: AsyncMaitredClient
) -> None:
    world = await small_world(client)
    booking = await world.booking()
    await world.assign(booking, "T1")
    gone = await maitred(server, "transition", booking.booking_id, "no-show", "--reason", "waited an hour")
    assert f"{booking.booking_id} is no show" in gone.out
    assert "waited an hour" in (await maitred(server, "booking", booking.booking_id)).out
    back = await maitred(server, "transition", booking.booking_id, "undo-no-show", "-o", "json")
    assert back.json()["booking"]["status"] == "BOOKING_STATUS_CONFIRMED"
    refused = await maitred(server, "transition", booking.booking_id, "complete")
    assert (refused.code, "INVALID_STATE_TRANSITION" in refused.err) == (ExitCode.REFUSED, True)
    odd = await maitred(server, "transition", booking.booking_id, "seat")
    assert (odd.code, "'check-in'" in odd.err) == (ExitCode.USAGE, True)


def test_every_status_and_step_of_the_contract_can_be_typed() -> None:
    assert [f"BOOKING_STATUS_{each.name}" for each in Status] == BookingStatus.keys()[1:]
    assert [f"BOOKING_ACTION_{each.name}" for each in Step] == BookingAction.keys()[1:]
