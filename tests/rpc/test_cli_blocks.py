"""`maitred block`, `blocks`, `unblock`, `holds` and `operation` against a running server."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from maitred_client import TableConflictHeldError, instant, new_request_id
from maitred_client.messages import ListBlocksRequest
from server.cli.block_commands import Cause
from server.cli.failures import ExitCode
from tests.builders.world import evening, stamp
from tests.builders.world_extras import House, refused
from tests.conftest import Served
from tests.support.programs import Ended, run

pytestmark = pytest.mark.shared_server
EVENING = ("--from", evening(18).isoformat(), "--to", evening(23).isoformat())


async def maitred(server: Served, *arguments: str) -> Ended:
    return await run(*arguments, *server.where)


async def test_a_block_is_made_listed_and_lifted(place: House, server: Served) -> None:
    asked = ("block", "--tables", "W1,W2", *EVENING, "--cause", "private-event", "--note", "the house's 50th")
    made = await maitred(server, *asked)
    (block_id,) = re.findall(r"^block +(\S+) *$", made.out, re.MULTILINE)
    for told in ("W1 + W2", f"{evening(18):%a %Y-%m-%d} 18:00 UTC", "private event", "the house's 50th"):
        assert told in made.out
    assert f"maitred unblock {block_id}" in made.err
    held = await maitred(server, "hold", "--booking", (await place.party()).booking_id, "--tables", "W1")
    assert (held.code, "TABLE_BLOCKED" in held.err) == (ExitCode.REFUSED, True)

    listed = await maitred(server, "blocks", *EVENING)
    (line,) = [line for line in listed.out.splitlines() if block_id in line]
    assert "W1 + W2" in line
    (told,) = (await maitred(server, "blocks", *EVENING, "-o", "json")).json()
    assert (told["block_id"], told["cause"]) == (block_id, "BLOCK_CAUSE_PRIVATE_EVENT")

    for _ in range(2):
        lifted = await maitred(server, "unblock", block_id)
        assert re.search(rf"^block +{block_id} is lifted", lifted.out, re.MULTILINE)
    none = await maitred(server, "blocks", *EVENING)
    assert (none.code, none.out, "nothing is blocked then" in none.err) == (ExitCode.OK, "", True)


async def test_a_block_begins_now_and_ends_at_the_first_such_time_after(place: House, server: Served) -> None:
    """A time of day that the clock shows before the start is meant to be that of the day after."""
    before = datetime.now(UTC)
    now = await maitred(server, "block", "--tables", "W1", "--to", evening(1).isoformat(), "-o", "json")
    window = now.json()["block"]
    assert before <= datetime.fromisoformat(window["window_start"]) <= datetime.now(UTC)
    assert window["cause"] == "BLOCK_CAUSE_MAINTENANCE"
    late = ("block", "--tables", "W2", "--from", evening(22).isoformat(), "--to", "01:30", "-o", "json")
    window = (await maitred(server, *late)).json()["block"]
    assert datetime.fromisoformat(window["window_end"]) == evening(22) + timedelta(hours=3, minutes=30)
    listed = (await maitred(server, "blocks", "-o", "jsonl")).out.splitlines()
    assert len(listed) == 2
    assert len((await maitred(server, "blocks", "--to", evening(21).isoformat())).out.splitlines()) == 2


async def test_a_block_that_meets_a_claim_is_refused_and_nothing_is_blocked(
    place: House, server: Served
) -> None:
    await place.seated("W1")
    taken = await maitred(server, "block", "--tables", "W1,W2", *EVENING)
    assert (taken.code, "TABLE_CONFLICT_ASSIGNED" in taken.err) == (ExitCode.REFUSED, True)
    backwards = ("--from", evening(23).isoformat(), "--to", evening(18).isoformat())
    mistaken = await maitred(server, "block", "--tables", "W2", *backwards)
    assert (mistaken.code, "must come after the start" in mistaken.err) == (ExitCode.USAGE, True)
    unclear = await maitred(server, "block", "--tables", "W2", "--to", "tomorrow")
    assert (unclear.code, "'tomorrow' is not a time" in unclear.err) == (ExitCode.USAGE, True)
    everything = ListBlocksRequest(
        restaurant_id=place.restaurant_id, window_start=stamp(evening(0)), window_end=stamp(evening(23))
    )
    assert list((await place.client.list_blocks(everything)).blocks) == []


@pytest.mark.parametrize("cause", Cause)
async def test_every_cause_can_be_typed(cause: Cause, place: House, server: Served) -> None:
    made = await maitred(server, "block", "--tables", "W1", *EVENING, "--cause", cause, "-o", "json")
    assert made.json()["block"]["cause"] == f"BLOCK_CAUSE_{cause.name}"


async def test_holds_are_listed_by_state_and_booking(place: House, server: Served) -> None:
    none = await maitred(server, "holds")
    assert (none.out, "no table is held now" in none.err) == ("", True)
    live = await place.hold(await place.party(6), "W1", "W2")
    booking = await place.party()
    gone = await place.release(await place.hold(booking, "W3"))
    listed = (await maitred(server, "holds")).out
    (line,) = listed.splitlines()[1:]
    expires = f"{instant(live.expires_at):%H:%M:%S}"
    for told in (live.hold_id, live.booking_id, "active", expires, "W1 + W2"):
        assert told in line
    ended = await maitred(server, "holds", "--state", "released", "--state", "expired", "-o", "json")
    assert [hold["hold_id"] for hold in ended.json()] == [gone.hold_id]
    both = await maitred(server, "holds", "--state", "active", "--state", "released", "-o", "jsonl")
    assert len(both.out.splitlines()) == 2
    of_one = await maitred(server, "holds", "--booking", booking.booking_id)
    assert (of_one.out, "there is no such hold" in of_one.err) == ("", True)


async def test_what_became_of_a_call_is_told(place: House, server: Served) -> None:
    booking, request_id = await place.party(), new_request_id()
    asked = place.hold_request(booking.booking_id, ["W1"])
    asked.request_id = request_id
    before = await maitred(server, "operation", "HoldTables", request_id)
    assert re.search(r"^state +unknown *$", before.out, re.MULTILINE)
    assert "can be sent again as it was" in before.err
    held = (await place.client.hold_tables(asked)).hold
    done = await maitred(server, "operation", "HoldTables", request_id)
    assert re.search(r"^state +succeeded *$", done.out, re.MULTILINE)
    answer = (await maitred(server, "operation", "HoldTables", request_id, "-o", "json")).json()
    assert answer["response"]["hold"]["hold_id"] == held.hold_id

    late = place.hold_request((await place.party()).booking_id, ["W1"])
    late.request_id = new_request_id()
    await refused(place.client.hold_tables(late), TableConflictHeldError)
    told = (await maitred(server, "operation", "HoldTables", late.request_id)).out
    assert re.search(r"^state +refused *$", told, re.MULTILINE)
    assert re.search(r"^reason +TABLE_CONFLICT_HELD *$", told, re.MULTILINE)
    wrong = await maitred(server, "operation", "GetHold", request_id)
    assert (wrong.code, "method" in wrong.err) == (ExitCode.REFUSED, True)
