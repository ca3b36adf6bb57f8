"""A5, A1, A3: a hold that is given more time, or gives way to a hold of another set for the same booking."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from maitred_client import (
    AsyncMaitredClient,
    CapacityInsufficientError,
    HoldAlreadyConfirmedError,
    HoldAlreadyReleasedError,
    HoldExpiredError,
    HoldExtensionLimitError,
    HoldNotFoundError,
    HoldTtlOutOfRangeError,
    MaitredError,
    StaleContextError,
    TableConflictAssignedError,
    TableConflictHeldError,
    VersionMismatchError,
    instant,
)
from maitred_client.messages import BookingAction, Hold, HoldState
from server.bootstrap import serving
from server.config import Settings
from tests.builders.world import evening
from tests.builders.world_extras import UNKNOWN_ID, House, refused
from tests.conftest import Served
from tests.support.database import age, expire, row, rows

pytestmark = pytest.mark.shared_server

RELEASED = HoldState.HOLD_STATE_RELEASED
FRESH = timedelta(seconds=30)


def in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def told_of(server: Served, hold: Hold) -> list[str]:
    """The events about a hold, in their order."""
    found = await rows(
        server.database_url,
        "SELECT event_type FROM capacity_outbox WHERE payload ->> 'holdId' = $1 ORDER BY floor_version, position",
        hold.hold_id,
    )
    return [event["event_type"].removeprefix("capacity.hold.") for event in found]


async def floor_version(server: Served) -> object:
    return await rows(server.database_url, "SELECT floor_version FROM restaurants")


# Extend


@pytest.mark.parametrize(("asked_s", "lives_s"), [(0, 180), (60, 60), (900, 900)])
async def test_an_extended_hold_lives_from_now_on_as_long_as_asked(
    asked_s: int, lives_s: int, place: House, server: Served
) -> None:
    hold = await place.hold(await place.party(), "W1", ttl_s=60)
    await age(server.database_url, hold.hold_id, 600)
    extended = await place.extend(hold, ttl_s=asked_s)
    assert abs(instant(extended.expires_at) - in_seconds(lives_s)) < FRESH
    assert instant(extended.expires_at) > instant(hold.expires_at)
    assert extended == await place.hold_now(hold)
    assert (extended.hold_id, extended.table_ids, extended.state) == (
        hold.hold_id,
        hold.table_ids,
        hold.state,
    )


async def test_an_extension_never_shortens(place: House, server: Served) -> None:
    hold = await place.hold(await place.party(), "W1", ttl_s=900)
    before = await floor_version(server)
    assert await place.extend(hold, ttl_s=60) == hold
    assert await place.hold_now(hold) == hold
    assert await floor_version(server) == before
    assert await told_of(server, hold) == ["created"]


async def test_the_claims_live_as_long_as_their_hold(place: House, server: Served) -> None:
    hold = await place.hold(await place.party(6), "W1", "W2", ttl_s=60)
    extended = await place.extend(hold, ttl_s=600)
    claims = await rows(server.database_url, "SELECT expires_at FROM table_claims")
    assert {claim["expires_at"] for claim in claims} == {instant(extended.expires_at)}
    error = await refused(place.hold(await place.party(), "W2"), TableConflictHeldError)
    assert error.conflicts[0].free_from == instant(extended.expires_at)


async def test_what_a_changed_booking_holds_beside_its_old_tables_is_extended_too(
    place: House, server: Served
) -> None:
    booking = await place.seated("W1")
    await place.party(2, booking_id=booking.booking_id, start=evening(20))
    extended = await place.extend(await place.hold(booking, "W1", ttl_s=60), ttl_s=600)
    claims = await rows(
        server.database_url, "SELECT kind, lower(during) AS start, expires_at FROM table_claims ORDER BY 2"
    )
    assert [tuple(claim.values()) for claim in claims] == [
        ("assignment", evening(19), None),
        ("hold", evening(21), instant(extended.expires_at)),
    ]
    await place.unassign(booking)
    claim = await row(server.database_url, "SELECT lower(during) AS start, expires_at FROM table_claims")
    assert (claim["start"], claim["expires_at"]) == (evening(20), instant(extended.expires_at))
    await place.confirm(extended)


async def test_every_extension_is_told_and_kept_in_the_audit_log(place: House, server: Served) -> None:
    hold = await place.hold(await place.party(), "W1", ttl_s=60)
    first = await place.extend(hold, ttl_s=300)
    second = await place.extend(hold, ttl_s=600)
    assert await told_of(server, hold) == ["created", "extended", "extended"]
    told = await rows(
        server.database_url,
        "SELECT payload ->> 'expiresAt' AS expires_at FROM capacity_outbox"
        " WHERE payload ? 'expiresAt' ORDER BY floor_version",
    )
    ends = [instant(each.expires_at) for each in (hold, first, second)]
    assert [datetime.fromisoformat(each["expires_at"]) for each in told] == ends
    entries = await rows(
        server.database_url, "SELECT actor, details FROM audit_log WHERE action = 'extend' ORDER BY audit_id"
    )
    assert [entry["actor"] for entry in entries] == ["tests", "tests"]
    details = [json.loads(entry["details"]) for entry in entries]
    assert [datetime.fromisoformat(each["expires_at"]) for each in details] == ends[1:]
    assert [datetime.fromisoformat(each["previous_expires_at"]) for each in details] == ends[:-1]
    assert {each["hold_id"] for each in details} == {hold.hold_id}


async def test_a_hold_lives_half_an_hour_in_all(place: House, server: Served) -> None:
    hold = await place.hold(await place.party(), "W1", ttl_s=300)
    await age(server.database_url, hold.hold_id, 1_000)
    extended = await place.extend(hold, ttl_s=750)
    before = await floor_version(server)
    error = await refused(place.extend(hold, ttl_s=900), HoldExtensionLimitError)
    assert error.metadata["hold_id"] == hold.hold_id
    assert error.metadata["life_s_max"] == "1800"
    assert datetime.fromisoformat(error.metadata["created_at"]) == instant(extended.created_at)
    assert datetime.fromisoformat(error.metadata["expires_at"]) == instant(extended.expires_at)
    assert await place.hold_now(hold) == extended
    assert await floor_version(server) == before
    assert await place.extend(hold, ttl_s=60) == extended


# What only a live hold allows


async def test_a_hold_that_is_over_is_neither_extended_nor_replaced(place: House, server: Served) -> None:
    confirmed, released, expired = [
        await place.hold(await place.party(), name) for name in ("W1", "W2", "W3")
    ]
    await place.confirm(confirmed)
    await place.release(released)
    await expire(server.database_url, expired.hold_id)
    reasons: list[tuple[Hold, type[MaitredError]]] = [
        (confirmed, HoldAlreadyConfirmedError),
        (released, HoldAlreadyReleasedError),
        (expired, HoldExpiredError),
        (Hold(hold_id=UNKNOWN_ID), HoldNotFoundError),
    ]
    before = await floor_version(server)
    for hold, kind in reasons:
        await refused(place.extend(hold), kind)
        await refused(place.replace(hold, "W4"), kind)
    assert await floor_version(server) == before


# Replace


async def test_a_replaced_hold_gives_way_to_one_of_the_same_booking(place: House, server: Served) -> None:
    booking = await place.party(6)
    old = await place.hold(booking, "W1", "W2")
    answer = await place.replace(old, "W2", "W3", ttl_s=600)
    new = answer.hold
    assert (answer.released_hold_id, list(answer.superseded_hold_ids)) == (old.hold_id, [])
    assert new.hold_id != old.hold_id
    assert (new.booking_id, list(new.table_ids)) == (booking.booking_id, sorted(place.ids(["W2", "W3"])))
    assert abs(instant(new.expires_at) - in_seconds(600)) < FRESH
    assert (await place.hold_now(old)).state == RELEASED
    assert await place.hold_now(new) == new
    assert await told_of(server, old) == ["created", "released"]
    assert await told_of(server, new) == ["created"]
    await place.hold(await place.party(), "W1")
    await refused(place.hold(await place.party(), "W2"), TableConflictHeldError)
    await place.confirm(new)


async def test_replacing_says_why_in_event_and_audit_log(place: House, server: Served) -> None:
    old = await place.hold(await place.party(), "W1")
    new = (await place.replace(old, "W2")).hold
    event = await row(
        server.database_url,
        "SELECT payload FROM capacity_outbox WHERE event_type = 'capacity.hold.released'",
    )
    assert json.loads(event["payload"])["metadata"] == {"cause": "replaced"}
    entry = await row(server.database_url, "SELECT details FROM audit_log WHERE action = 'replace'")
    assert json.loads(entry["details"]) == {
        "hold_id": new.hold_id,
        "replaced_hold_id": old.hold_id,
        "events": 2,
    }


async def test_each_end_of_a_hold_says_what_brought_it(place: House, server: Served) -> None:
    booking, other = await place.party(), await place.party()
    await place.release(await place.hold(booking, "W1"))
    await place.hold(booking, "W1")
    await place.hold(booking, "W1")
    await place.party(3, booking_id=booking.booking_id)
    await place.hold(booking, "W1")
    await place.assign(booking, "W2")
    await place.hold(other, "W1")
    await place.transition(other, BookingAction.BOOKING_ACTION_CANCEL)
    ended = await rows(
        server.database_url,
        "SELECT payload #>> '{metadata, cause}' AS cause FROM capacity_outbox"
        " WHERE event_type = 'capacity.hold.released' ORDER BY floor_version",
    )
    assert [each["cause"] for each in ended] == [
        "released",
        "superseded",
        "booking changed",
        "booking assigned",
        "booking cancelled",
    ]


async def test_a_set_that_is_refused_leaves_the_old_hold_as_it_was(place: House, server: Served) -> None:
    booking = await place.party(6)
    old = await place.hold(booking, "W1", "W2")
    await place.seated("W3")
    error = await refused(place.replace(old, "W2", "W3"), TableConflictAssignedError)
    assert [conflict.table_id for conflict in error.conflicts] == [place.tables["W3"]]
    before = await floor_version(server)
    await refused(place.replace(old, "W4"), CapacityInsufficientError)
    assert await place.hold_now(old) == old
    assert await floor_version(server) == before
    await place.confirm(old)


async def test_replacing_by_the_same_tables_makes_a_new_hold_of_them(place: House) -> None:
    old = await place.hold(await place.party(), "W1")
    answer = await place.replace(old, "W1")
    assert answer.released_hold_id == old.hold_id
    assert answer.hold.table_ids == old.table_ids
    await place.confirm(answer.hold)


async def test_other_holds_of_the_booking_give_way_only_where_they_share_a_table(place: House) -> None:
    booking = await place.party()
    replaced, sharing, elsewhere = [await place.hold(booking, name) for name in ("W1", "W2", "W3")]
    answer = await place.replace(replaced, "W2")
    assert list(answer.superseded_hold_ids) == [sharing.hold_id]
    assert (await place.hold_now(sharing)).state == RELEASED
    assert await place.hold_now(elsewhere) == elsewhere


async def test_replacing_on_an_old_view_is_refused(place: House) -> None:
    booking = await place.party()
    old = await place.hold(booking, "W1")
    request = place.replace_request(old.hold_id, ["W2"])
    request.etag = "b9"
    await refused(place.client.replace_hold(request), VersionMismatchError)
    request = place.replace_request(old.hold_id, ["W2"])
    request.context_version = (await place.validate(booking, "W2")).context_version
    await place.update("W2", capacity=3)
    await refused(place.client.replace_hold(request), StaleContextError)
    assert await place.hold_now(old) == old
    request = place.replace_request(old.hold_id, ["W2"])
    request.context_version = (await place.validate(booking, "W2")).context_version
    assert (await place.client.replace_hold(request)).released_hold_id == old.hold_id


# Repeated


async def test_a_repeated_call_gets_its_answer_though_holds_may_not_live_that_long_any_more(
    place: House, server: Served, settings: Settings
) -> None:
    held = place.hold_request((await place.party()).booking_id, ["W1"], ttl_s=600)
    hold = await place.client.hold_tables(held)
    extended = place.extend_request(hold.hold.hold_id, ttl_s=800)
    extension = await place.client.extend_hold(extended)
    replaced = place.replace_request(hold.hold.hold_id, ["W2"], ttl_s=600)
    replacement = await place.client.replace_hold(replaced)
    shorter = settings.model_copy(update={"hold_ttl_s_max": 300.0})
    async with (
        serving(shorter, server.database_url) as other,
        AsyncMaitredClient(other.address, tenant_id=server.tenant_id) as client,
    ):
        assert await client.hold_tables(held) == hold
        assert await client.extend_hold(extended) == extension
        assert await client.replace_hold(replaced) == replacement
        again = place.extend_request(replacement.hold.hold_id, ttl_s=301)
        await refused(client.extend_hold(again), HoldTtlOutOfRangeError)


@pytest.mark.each_way_of_writing
async def test_a_ttl_out_of_range_uses_up_no_request_id(place: House) -> None:
    client, booking = place.client, await place.party()
    held = place.hold_request(booking.booking_id, ["W1"], ttl_s=10)
    await refused(client.hold_tables(held), HoldTtlOutOfRangeError)
    held.ttl.seconds = 60
    hold = (await client.hold_tables(held)).hold
    extended = place.extend_request(hold.hold_id, ttl_s=10)
    await refused(client.extend_hold(extended), HoldTtlOutOfRangeError)
    extended.ttl.seconds = 600
    assert (await client.extend_hold(extended)).hold.hold_id == hold.hold_id
    replaced = place.replace_request(hold.hold_id, ["W2"], ttl_s=10)
    await refused(client.replace_hold(replaced), HoldTtlOutOfRangeError)
    replaced.ttl.seconds = 600
    assert (await client.replace_hold(replaced)).released_hold_id == hold.hold_id
