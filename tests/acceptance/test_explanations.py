"""P7: why one table or set is, or is not, possible: every rule, and what is in the way until when."""

import random
from datetime import timedelta

import pytest

from maitred_client import (
    MaitredError,
    OutsideServiceHoursError,
    TableNotFoundError,
    WindowInPastError,
    instant,
)
from maitred_client.messages import (
    BookingStatus,
    CheckStatus,
    ClaimKind,
    ErrorReason,
    ExplainTableRequest,
    ExplainTableResponse,
    PartyRequest,
)
from tests.builders.world import evening, stamp
from tests.builders.world_extras import HOUSE_TABLES, House, always_open_policy, refused
from tests.conftest import Served
from tests.support.database import expire, nothing_written

pytestmark = pytest.mark.shared_server

HOLD, ASSIGNMENT = ClaimKind.CLAIM_KIND_HOLD, ClaimKind.CLAIM_KIND_ASSIGNMENT
BLOCK = ClaimKind.CLAIM_KIND_BLOCK
NAMES = [seats.name for seats in HOUSE_TABLES]
LISTED_MAX = 100


async def explain_party(place: House, party: PartyRequest, *names: str) -> ExplainTableResponse:
    request = ExplainTableRequest(restaurant_id=place.restaurant_id, party=party, table_ids=place.ids(names))
    return await place.client.explain_table(request)


def failed(explained: ExplainTableResponse) -> list[str]:
    return [
        ErrorReason.Name(check.reason).removeprefix("ERROR_REASON_")
        for check in explained.checks
        if check.status == CheckStatus.CHECK_STATUS_ERROR
    ]


async def test_it_says_what_validation_says_and_holding_does(place: House) -> None:
    rng = random.Random(5)
    await place.seated("W2", start=evening(18))
    await place.hold(await place.party(start=evening(20)), "W3")
    await place.block("F6")
    await place.out_of_service("P2")
    outcomes = set()
    for _ in range(30):
        wish = await place.party(rng.randint(1, 12), start=evening(rng.randint(16, 22)))
        names = rng.sample(NAMES, rng.choice((1, 1, 1, 2, 3)))
        explained, validated = await place.explain(wish, *names), await place.validate(wish, *names)
        assert explained.possible == validated.valid == (not failed(explained))
        assert list(explained.checks) == list(validated.checks)
        assert explained.summary == validated.summary
        assert explained.context_version == validated.context_version
        assert explained.period == wish.period
        if explained.possible:
            await place.release(await place.hold(wish, *names))
        else:
            error = await refused(place.hold(wish, *names), MaitredError)
            assert error.reason == failed(explained)[0]
        outcomes.add(explained.possible)
    assert outcomes == {True, False}


async def test_a_party_that_has_not_booked_is_told_the_same(place: House) -> None:
    await place.seated("W1")
    await place.block("W2")
    wish = await place.party(3, required=["window"])
    for names in (("W1",), ("W1", "W2"), ("P1", "F6"), ("W4",)):
        assert await explain_party(place, wish.party, *names) == await place.explain(wish, *names)


async def test_each_claim_in_the_way_is_told_with_its_kind_and_when_it_comes_free(place: House) -> None:
    seated = await place.seated("W1", start=evening(18))
    later = await place.seated("W1", start=evening(20, 30))
    held = await place.hold(await place.party(start=evening(19)), "W2")
    block = await place.block("W3", start=evening(20), end=evening(20, 10))
    wish = await place.party(4, start=evening(19))
    explained = await place.explain(wish, "W3", "W2", "W1")
    found = [
        (
            conflict.table_id,
            conflict.blocker_kind,
            instant(conflict.window_start),
            instant(conflict.window_end),
            instant(conflict.free_from),
        )
        for conflict in explained.conflicts
    ]
    times = [
        ("W1", ASSIGNMENT, seated.window_start, seated.window_end, seated.window_end),
        ("W1", ASSIGNMENT, later.window_start, later.window_end, later.window_end),
        ("W2", HOLD, held.window_start, held.window_end, held.expires_at),
        ("W3", BLOCK, block.window_start, block.window_end, block.window_end),
    ]
    expected = [(place.tables[name], kind, *map(instant, rest)) for name, kind, *rest in times]
    assert found == sorted(expected)
    assert explained.conflicts_found == len(expected)
    assert failed(explained)[-3:] == ["TABLE_BLOCKED", "TABLE_CONFLICT_ASSIGNED", "TABLE_CONFLICT_HELD"]


async def test_it_never_says_whose_a_claim_is(place: House) -> None:
    seated = await place.seated("W1")
    held = await place.hold(await place.party(), "W2")
    block = await place.block("W3")
    explained = await place.explain(await place.party(4), "W1", "W2", "W3")
    assert explained.conflicts_found == 3
    told = str(explained)
    for owner in (seated.booking_id, held.booking_id, held.hold_id, block.block_id, held.actor):
        assert owner
        assert owner not in told


async def test_its_own_claims_expired_holds_and_neighbours_in_time_are_not_in_the_way(
    place: House, server: Served
) -> None:
    mine = await place.party(2)
    hold = await place.hold(mine, "W1")
    await place.seated("W1", start=evening(17))
    await place.seated("W1", start=evening(21))
    explained = await place.explain(mine, "W1")
    assert (explained.possible, explained.conflicts_found) == (True, 0)
    other = await place.party(2)
    assert (await place.explain(other, "W1")).conflicts_found == 1
    await expire(server.database_url, hold.hold_id)
    assert (await place.explain(other, "W1")).possible


async def test_it_lists_a_hundred_claims_and_counts_them_all(place: House) -> None:
    for second in range(LISTED_MAX + 1):
        start = evening(19) + timedelta(seconds=2 * second)
        await place.block("W1", start=start, end=start + timedelta(seconds=1))
    explained = await place.explain(await place.party(), "W1")
    assert explained.conflicts_found == LISTED_MAX + 1
    starts = [instant(conflict.window_start) for conflict in explained.conflicts]
    assert starts == [evening(19) + timedelta(seconds=2 * second) for second in range(LISTED_MAX)]


async def test_what_no_booking_could_be_is_refused_as_in_planning(place: House) -> None:
    closed = PartyRequest(party_size=2, start=stamp(evening(3)))
    await refused(explain_party(place, closed, "W1"), OutsideServiceHoursError)
    await place.put_policy(always_open_policy())
    over = PartyRequest(party_size=2, start=stamp(evening() - timedelta(days=365)))
    await refused(explain_party(place, over, "W1"), WindowInPastError)
    nowhere = ExplainTableRequest(
        restaurant_id=place.restaurant_id, party=place.booking_request().party, table_ids=[place.zone_id]
    )
    await refused(place.client.explain_table(nowhere), TableNotFoundError)


@pytest.mark.parametrize("stored", [True, False])
async def test_explaining_changes_nothing(stored: bool, place: House, server: Served) -> None:
    booking = await place.party(4)
    await place.block("W1")
    async with nothing_written(server.database_url, place.restaurant_id, str(server.tenant_id)):
        explained = await (
            place.explain(booking, "W1") if stored else explain_party(place, booking.party, "W1")
        )
        assert not explained.possible
    assert (await place.read(booking.booking_id)).status == BookingStatus.BOOKING_STATUS_PENDING
