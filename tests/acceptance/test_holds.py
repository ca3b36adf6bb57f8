"""A1, A3, A4, A5: Holds: how long they live, what they keep out, how they are given back and listed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from maitred_client import (
    HoldAlreadyConfirmedError,
    HoldTtlOutOfRangeError,
    TableConflictHeldError,
    VersionMismatchError,
    instant,
)
from maitred_client.messages import (
    Hold,
    HoldState,
    ListHoldsRequest,
)
from tests.builders.world import evening, stamp
from tests.builders.world_extras import House, refused
from tests.conftest import Served
from tests.support.database import connected, expire, rows

pytestmark = [pytest.mark.shared_server, pytest.mark.each_way_of_writing]

EVERY_STATE = [state for state in HoldState.values() if state]
NEXT_YEAR = evening() + timedelta(days=365)


def life_of(hold: Hold) -> timedelta:
    return instant(hold.expires_at) - instant(hold.created_at)


# A1: time to live


@pytest.mark.parametrize(("asked_s", "lives_s"), [(0, 180), (60, 60), (61, 61), (900, 900)])
async def test_a_hold_lives_as_long_as_asked_and_three_minutes_by_default(
    asked_s: int, lives_s: int, place: House
) -> None:
    hold = await place.hold(await place.party(), "W1", ttl_s=asked_s)
    assert life_of(hold) == timedelta(seconds=lives_s)
    assert abs(instant(hold.created_at) - datetime.now(UTC)) < timedelta(seconds=30)


@pytest.mark.parametrize("asked_s", [1, 59, 901, 86_400, -60])
async def test_a_time_to_live_outside_the_limits_is_refused(asked_s: int, place: House) -> None:
    error = await refused(place.hold(await place.party(), "W1", ttl_s=asked_s), HoldTtlOutOfRangeError)
    assert error.metadata == {"ttl_s": str(asked_s), "ttl_s_min": "60", "ttl_s_max": "900"}
    assert await holds_of(place) == []


async def test_a_fraction_of_a_second_counts(place: House) -> None:
    request = place.hold_request((await place.party()).booking_id, ["W1"])
    request.ttl.seconds, request.ttl.nanos = 59, 999_000_000
    await refused(place.client.hold_tables(request), HoldTtlOutOfRangeError)
    request.request_id = ""
    request.ttl.seconds, request.ttl.nanos = 60, 500_000_000
    assert life_of((await place.client.hold_tables(request)).hold) == timedelta(seconds=60.5)


async def test_a_hold_for_next_year_lives_no_longer(place: House) -> None:
    booking = await place.party(start=NEXT_YEAR)
    hold = await place.hold(booking, "W1")
    assert life_of(hold) == timedelta(seconds=180)
    assert instant(hold.window_start) == NEXT_YEAR
    assert hold.window_end == booking.window_end


# What a hold keeps


async def test_a_hold_takes_all_its_tables_or_none(place: House) -> None:
    await place.hold(await place.party(), "W2")
    group = await place.party(6)
    error = await refused(place.hold(group, "W1", "W2"), TableConflictHeldError)
    assert error.metadata["table_ids"] == place.tables["W2"]
    await place.hold(await place.party(), "W1")


async def test_a_conflict_says_when_the_table_comes_free_and_not_whose_it_is(place: House) -> None:
    mine = await place.party()
    hold = await place.hold(mine, "W1", ttl_s=300)
    error = await refused(place.hold(await place.party(), "W1"), TableConflictHeldError)
    (conflict,) = error.conflicts
    assert (conflict.table_id, conflict.blocker_kind) == (place.tables["W1"], "HOLD")
    assert conflict.window_start == instant(hold.window_start)
    assert conflict.window_end == instant(hold.window_end)
    assert conflict.free_from == instant(hold.expires_at)
    told = f"{error} {error.details}"
    assert hold.hold_id not in told
    assert mine.booking_id not in told


async def test_windows_that_touch_do_not_conflict(place: House) -> None:
    early = await place.party(start=evening(17))
    await place.hold(await place.party(start=evening(19)), "W1")
    await place.hold(early, "W1")
    await place.hold(await place.party(start=evening(21)), "W1")
    await refused(place.hold(await place.party(start=evening(20, 59)), "W1"), TableConflictHeldError)


# A3: one's own hold is no conflict


async def test_a_later_hold_of_the_same_booking_supersedes_the_one_on_the_same_table(place: House) -> None:
    booking = await place.party(4)
    first = await place.hold(booking, "W1")
    elsewhere = await place.hold(booking, "W4")
    request = place.hold_request(booking.booking_id, ["W1", "W2"])
    answer = await place.client.hold_tables(request)
    assert list(answer.superseded_hold_ids) == [first.hold_id]
    assert (await place.hold_now(first)).state == HoldState.HOLD_STATE_RELEASED
    assert (await place.hold_now(elsewhere)).state == HoldState.HOLD_STATE_ACTIVE
    assert (await place.validate(booking, "W1", "W2")).valid
    await place.confirm(answer.hold)


async def test_ones_own_hold_is_in_nobodys_way_but_others(place: House) -> None:
    booking, other = await place.party(), await place.party()
    await place.hold(booking, "W1")
    assert (await place.validate(booking, "W1")).valid
    assert not (await place.validate(other, "W1")).valid
    assert place.tables["W1"] in {plan.table_ids[0] for plan in (await place.plan(booking)).plans}
    assert place.tables["W1"] not in {plan.table_ids[0] for plan in (await place.plan(other)).plans}


# A4: time is over


async def test_an_expired_hold_stops_blocking_at_once(place: House, server: Served) -> None:
    hold = await place.hold(await place.party(), "W1")
    await expire(server.database_url, hold.hold_id)
    assert (await place.hold_now(hold)).state == HoldState.HOLD_STATE_EXPIRED
    request = place.hold_request((await place.party()).booking_id, ["W1"])
    next_one = await place.client.hold_tables(request)
    assert next_one.hold.state == HoldState.HOLD_STATE_ACTIVE
    assert list(next_one.superseded_hold_ids) == []
    stored = await rows(
        server.database_url, "SELECT state, count(*) AS times FROM holds GROUP BY state ORDER BY state"
    )
    assert [(row["state"], row["times"]) for row in stored] == [("active", 1), ("expired", 1)]
    told = await rows(
        server.database_url,
        "SELECT event_type, payload #>> '{metadata, cause}' AS cause FROM capacity_outbox"
        " WHERE payload ->> 'holdId' = $1 ORDER BY floor_version",
        hold.hold_id,
    )
    assert [(row["event_type"], row["cause"]) for row in told] == [
        ("capacity.hold.created", None),
        ("capacity.hold.expired", "expired"),
    ]


# A5: release and list


async def test_release_gives_the_tables_back_and_again_changes_nothing(place: House, server: Served) -> None:
    hold = await place.hold(await place.party(6), "W1", "W2")
    assert (await place.release(hold)).state == HoldState.HOLD_STATE_RELEASED
    version = await rows(server.database_url, "SELECT floor_version FROM restaurants")
    assert (await place.release(hold)).state == HoldState.HOLD_STATE_RELEASED
    assert await rows(server.database_url, "SELECT floor_version FROM restaurants") == version
    assert await rows(server.database_url, "SELECT * FROM table_claims") == []
    await place.hold(await place.party(6), "W1", "W2")


async def test_releasing_an_expired_hold_says_that_it_expired(place: House, server: Served) -> None:
    hold = await place.hold(await place.party(), "W1")
    await expire(server.database_url, hold.hold_id)
    assert (await place.release(hold)).state == HoldState.HOLD_STATE_EXPIRED


async def test_a_confirmed_hold_cannot_be_released(place: House) -> None:
    hold = await place.hold(await place.party(), "W1")
    await place.confirm(hold)
    await refused(place.release(hold), HoldAlreadyConfirmedError)
    assert (await place.hold_now(hold)).state == HoldState.HOLD_STATE_CONFIRMED


async def test_a_hold_is_read_as_it_was_made(place: House) -> None:
    hold = await place.hold(await place.party(6), "W2", "W1")
    assert await place.hold_now(hold) == hold
    assert list(hold.table_ids) == sorted(place.ids(["W1", "W2"]))
    assert (hold.actor, hold.policy_version, hold.inventory_version) == ("tests", 1, 1)


@pytest.mark.parametrize("states", [[], EVERY_STATE], ids=["live", "all"])
async def test_holds_are_listed_oldest_first_page_by_page(
    states: "Sequence[HoldState.ValueType]", place: House, server: Served
) -> None:
    """Those that were made at one instant by their ids."""
    booking = await place.party()
    made = [await place.hold(booking, name) for name in ("W1", "W2", "W3", "W4", "P1")]
    at_once = sorted(hold.hold_id for hold in made[1:])
    async with connected(server.database_url) as connection:
        await connection.execute(
            "UPDATE holds SET created_at = $2 WHERE hold_id = ANY($1::text[]::uuid[])",
            *(at_once, instant(made[1].created_at)),
        )
    request = ListHoldsRequest(restaurant_id=place.restaurant_id, states=states, page_size=2)
    pages = [await place.client.list_holds(request)]
    while pages[-1].next_page_token:
        request.page_token = pages[-1].next_page_token
        pages.append(await place.client.list_holds(request))
    assert [len(page.holds) for page in pages] == [2, 2, 1]
    assert [hold.hold_id for page in pages for hold in page.holds] == [made[0].hold_id, *at_once]
    assert [hold.hold_id async for hold in place.client.iterate_holds(request)] == at_once[3:]


async def test_a_hold_that_is_made_meanwhile_shows_up_on_the_last_page(place: House) -> None:
    booking = await place.party()
    made = [await place.hold(booking, name) for name in ("W1", "W2")]
    request = ListHoldsRequest(restaurant_id=place.restaurant_id, page_size=1)
    first = await place.client.list_holds(request)
    made.append(await place.hold(booking, "W3"))
    await place.release(made[0])
    request.page_token, request.page_size = first.next_page_token, 10
    assert list((await place.client.list_holds(request)).holds) == made[1:]


async def test_holds_are_listed_by_booking_window_and_state(place: House, server: Served) -> None:
    early, late = await place.party(start=evening(12)), await place.party(start=evening(19))
    at_noon = await place.hold(early, "W1")
    at_night = await place.hold(late, "W1")
    released = await place.hold(late, "W2")
    await place.release(released)
    expired = await place.hold(late, "W3")
    for over in (released, expired):
        await expire(server.database_url, over.hold_id)
    confirmed = await place.hold(late, "W4")
    await place.release(gone := await place.hold(late, "P1"))

    assert await holds_of(place) == ids_of(at_noon, at_night, confirmed)
    every = ids_of(released, expired, at_night, confirmed, gone)
    for states, by_night in (([], ids_of(at_night, confirmed)), (EVERY_STATE, every)):
        assert await holds_of(place, states=states, booking_id=early.booking_id) == ids_of(at_noon)
        for window_start in (evening(14), instant(at_noon.window_end)):
            assert await holds_of(place, states=states, window_start=stamp(window_start)) == by_night
        for window_end in (evening(14), instant(at_night.window_start)):
            assert await holds_of(place, states=states, window_end=stamp(window_end)) == ids_of(at_noon)
        assert await holds_of(place, states=states, window_end=at_noon.window_start) == []
    assert await holds_of(place, states=[HoldState.HOLD_STATE_RELEASED]) == ids_of(released, gone)
    assert await holds_of(place, states=[HoldState.HOLD_STATE_EXPIRED]) == ids_of(expired)
    listed = ListHoldsRequest(restaurant_id=place.restaurant_id, states=EVERY_STATE)
    for hold in (await place.client.list_holds(listed)).holds:
        assert hold == await place.hold_now(hold)
    await place.confirm(confirmed)
    both = [HoldState.HOLD_STATE_CONFIRMED, HoldState.HOLD_STATE_RELEASED]
    assert await holds_of(place, states=both) == ids_of(released, at_night, confirmed, gone)


async def test_a_hold_for_a_booking_that_has_changed_is_refused(place: House) -> None:
    booking = await place.party(2)
    await place.party(3, booking_id=booking.booking_id)
    request = place.hold_request(booking.booking_id, ["W1"])
    request.etag = booking.etag
    error = await refused(place.client.hold_tables(request), VersionMismatchError)
    assert error.metadata == {"resource": "booking", "expected_etag": "b1", "current_etag": "b2"}


async def holds_of(place: House, **filters: object) -> list[str]:
    request = ListHoldsRequest(restaurant_id=place.restaurant_id, **filters)  # type: ignore[arg-type]
    return [hold.hold_id for hold in (await place.client.list_holds(request)).holds]


def ids_of(*holds: Hold) -> list[str]:
    return [hold.hold_id for hold in holds]
