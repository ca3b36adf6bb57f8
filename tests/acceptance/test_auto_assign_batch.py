"""A15: a whole service date is assigned in one call that tells each decision as it is made."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from maitred_client import AsyncMaitredClient, MaitredClient, to_dict
from maitred_client.messages import (
    AutoAssignBatchRequest,
    AutoAssignBatchResponse,
    AutoAssignBatchSummary,
    AutoAssignDecision,
    AutoAssignOrder,
    AutoAssignOutcome,
    AutoAssignResponse,
    Booking,
    CheckStatus,
    ErrorReason,
    GetBookingRequest,
    GetOperationRequest,
    ListAuditEntriesRequest,
    NextStep,
    UnblockTablesRequest,
)
from maitred_client.reasons import RestaurantNotFoundError
from server.orchestrator.auto_assign_batch import AutoAssignBatch
from tests.builders.world import TableSpec, World, evening, small_world
from tests.builders.world_extras import UNKNOWN_ID, always_open_policy, house, house_policy
from tests.conftest import Served
from tests.support.clock import let_pass
from tests.support.database import restaurant_locked, row, rows, somebody_waits, turn_back

pytestmark = pytest.mark.shared_server

PATIENCE_S = 60.0
COMPLETED = AutoAssignOutcome.AUTO_ASSIGN_OUTCOME_COMPLETED_IN_TIME
# Merges would let everybody in.
THREE_TABLES = (
    TableSpec("S", 2, movable=False),
    TableSpec("M", 4, movable=False),
    TableSpec("L", 8, movable=False),
)


@pytest.fixture
async def place(client: AsyncMaitredClient) -> World:
    return await small_world(client, tables=THREE_TABLES)


def batch_request(place: World, order: str = "UNSPECIFIED", bookings_max: int = 0) -> AutoAssignBatchRequest:
    return AutoAssignBatchRequest(
        restaurant_id=place.restaurant_id,
        service_date=evening().date().isoformat(),
        order=AutoAssignOrder.Value(f"AUTO_ASSIGN_ORDER_{order}"),
        bookings_max=bookings_max,
    )


async def run(place: World, request: AutoAssignBatchRequest | None = None) -> list[AutoAssignBatchResponse]:
    return await responses_of(place.client.auto_assign_batch(request or batch_request(place)))


async def responses_of(batch: AsyncIterator[AutoAssignBatchResponse]) -> list[AutoAssignBatchResponse]:
    return [each async for each in batch]


def decisions(responses: Iterable[AutoAssignBatchResponse]) -> list[AutoAssignDecision]:
    return [each.decision for each in responses if each.HasField("decision")]


def names(place: World, decision: AutoAssignDecision) -> list[str]:
    return [name for name, table_id in place.tables.items() if table_id in decision.table_ids]


async def test_progress_counts_up_to_the_summary(place: World) -> None:
    for hour in (12, 14, 16):
        await place.booking(start=evening(hour))
    # Still there at midnight, and of the day before all the same.
    await place.booking(start=evening(22, 30) - timedelta(days=1))
    responses = await run(place)
    assert [(each.done, each.total) for each in responses] == [(0, 3), (1, 3), (2, 3), (3, 3), (3, 3)]
    assert [each.WhichOneof("news") for each in responses] == [None, *["decision"] * 3, "summary"]
    assert responses[-1].summary == AutoAssignBatchSummary(assigned=3)
    for decision in decisions(responses):
        booking = await place.read(decision.booking_id)
        assert not booking.needs_tables
        assert (decision.party_size, decision.start) == (booking.party.party_size, booking.party.start)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("UNSPECIFIED", ["pair", "three", "seven"]),
        ("TIME", ["pair", "three", "seven"]),
        ("SIZE_DESC", ["seven", "three", "pair"]),
        ("CONSTRAINED_FIRST", ["three", "seven", "pair"]),
    ],
)
async def test_the_order_is_the_callers_choice(place: World, order: str, expected: list[str]) -> None:
    """In the afternoon nothing is left for three, the late seven have L alone, and a pair has all, one table held."""
    await place.block("M", "L", start=evening(14), end=evening(16))
    pair = await place.booking(party=2, start=evening(11))
    await place.hold(pair, "S")
    ids = {
        pair.booking_id: "pair",
        (await place.booking(party=7, start=evening(19))).booking_id: "seven",
        (await place.booking(party=3, start=evening(14))).booking_id: "three",
    }
    decided = decisions(await run(place, batch_request(place, order)))
    assert [ids[each.booking_id] for each in decided] == expected
    free = {ids[each.booking_id]: each.free_sets for each in decided}
    assert free == {"pair": 3, "seven": 1, "three": 0}


async def test_who_comes_first_decides_who_gets_in(place: World) -> None:
    await place.block("S", "M")
    pair, eight = await place.booking(party=2), await place.booking(party=8, start=evening(20))
    by_size = {
        each.booking_id: each for each in decisions(await run(place, batch_request(place, "SIZE_DESC")))
    }
    assert names(place, by_size[eight.booking_id]) == ["L"]
    assert by_size[pair.booking_id].reason == ErrorReason.ERROR_REASON_NO_FEASIBLE_PLAN


async def test_a_decision_says_on_what_grounds(place: World) -> None:
    await place.seated("L")
    crowd = await place.booking(party=30)
    eight = await place.booking(party=8)
    pair = await place.booking(party=2)
    responses = await run(place)
    found = {each.booking_id: each for each in decisions(responses)}
    for booking, step, reason, tables in (
        (crowd, NextStep.NEXT_STEP_ASK_STAFF, ErrorReason.ERROR_REASON_CAPACITY_INSUFFICIENT, "3"),
        (eight, NextStep.NEXT_STEP_OFFER_ALTERNATIVES, ErrorReason.ERROR_REASON_TABLE_CONFLICT_ASSIGNED, "1"),
    ):
        refused = found[booking.booking_id]
        assert (refused.outcome, refused.reason) == (0, ErrorReason.ERROR_REASON_NO_FEASIBLE_PLAN)
        assert (list(refused.table_ids), list(refused.next_steps), refused.free_sets) == ([], [step], 0)
        assert {each.reason: each.metadata["tables"] for each in refused.checks}[reason] == tables
        assert {each.status for each in refused.checks} == {CheckStatus.CHECK_STATUS_ERROR}
        assert refused.message
    given = found[pair.booking_id]
    recorded = await place.client.get_operation(
        GetOperationRequest(method="AutoAssign", operation_request_id=given.request_id)
    )
    answer = AutoAssignResponse()
    assert recorded.response.Unpack(answer)
    assert (given.outcome, given.cost, given.score) == (COMPLETED, answer.cost, answer.score)
    assert list(given.table_ids) == list(answer.assignment.table_ids)
    assert list(given.attempts) == list(answer.attempts)
    summary = responses[-1].summary
    assert [(each.reason, each.bookings) for each in summary.refusals] == [
        (ErrorReason.ERROR_REASON_NO_FEASIBLE_PLAN, 2)
    ]
    assert summary.assigned == 1


async def kept(place: World, booking: Booking) -> list[dict[str, Any]]:
    """What the audit log says was decided about a booking, newest first."""
    request = ListAuditEntriesRequest(restaurant_id=place.restaurant_id, resource_id=booking.booking_id)
    entries = (await place.client.list_audit_entries(request)).entries
    return [to_dict(entry) for entry in entries if entry.action == "auto_assign_decision"]


async def test_each_decision_is_kept_with_its_grounds_and_only_once(place: World) -> None:
    block = await place.block("L")
    eight, pair = await place.booking(party=8), await place.booking(party=2)
    request = batch_request(place)
    request.actor, request.reason = "Ada", "before we open"
    told = {each.booking_id: each for each in decisions(await run(place, request))}
    (refused,), (given,) = await kept(place, eight), await kept(place, pair)
    assert {(each["actor"], each["reason"]) for each in (refused, given)} == {("Ada", "before we open")}
    assert refused["details"] == {
        "outcome": "refused",
        "reason": "NO_FEASIBLE_PLAN",
        "party_size": 8,
        "start": evening().isoformat(),
        "free_sets": 0,
        "kept_out": {
            ErrorReason.Name(each.reason).removeprefix("ERROR_REASON_"): dict(each.metadata)
            for each in told[eight.booking_id].checks
        },
    }
    answer = told[pair.booking_id]
    assert given["details"] == {
        "outcome": "completed_in_time",
        "party_size": 2,
        "start": evening().isoformat(),
        "free_sets": answer.free_sets,
        "attempts": [{"table_ids": list(answer.table_ids), "reason": None}],
        "cost": pytest.approx(answer.cost),
        "score": pytest.approx(answer.score),
        "request_id": answer.request_id,
    }
    await run(place, request)
    assert len(await kept(place, eight)) == 1
    request.cutoff.FromSeconds(31 * 86_400)
    await run(place, request)
    reasons = [each["details"]["reason"] for each in await kept(place, eight)]
    assert reasons == ["CUTOFF_PASSED", "NO_FEASIBLE_PLAN"]
    request.ClearField("cutoff")
    lifted = UnblockTablesRequest(restaurant_id=place.restaurant_id, block_id=block.block_id)
    await place.client.unblock_tables(lifted)
    await run(place, request)
    assert [each["details"]["outcome"] for each in await kept(place, eight)] == [
        "completed_in_time",
        "refused",
        "refused",
    ]
    of = GetBookingRequest(restaurant_id=place.restaurant_id, booking_id=pair.booking_id)
    change = (await place.client.get_booking(of)).history[0]
    assert (change.actor, change.reason) == ("Ada", "before we open")
    assert await place.violations() == 0


async def run_out_of_time(
    place: World, server: Served, monkeypatch: pytest.MonkeyPatch
) -> AutoAssignBatchResponse:
    """The last response of a batch whose time is over while the first booking waits for the restaurant."""
    async with restaurant_locked(server.server_url, place.restaurant_id) as locking:
        calls = place.client.auto_assign_batch(batch_request(place), timeout_s=PATIENCE_S)
        batch = asyncio.create_task(responses_of(calls))
        await somebody_waits(locking)
        let_pass(monkeypatch, PATIENCE_S)
    return (await batch)[-1]


async def test_trouble_that_passes_is_no_decision(
    place: World, server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    booking = await place.booking()
    last = await run_out_of_time(place, server, monkeypatch)
    assert last.summary.out_of_time == 1
    assert await kept(place, booking) == []


async def test_a_repeat_finds_only_what_still_waits(place: World, server: Served) -> None:
    await place.booking()
    crowd = await place.booking(party=30)
    await run(place)
    changed = "SELECT floor_version FROM restaurants"
    before = await rows(server.database_url, changed)
    again = await run(place)
    assert [each.booking_id for each in decisions(again)] == [crowd.booking_id]
    assert again[-1].summary.assigned == 0
    assert await rows(server.database_url, changed) == before


async def test_only_the_service_date_counts_and_parties_after_midnight_belong_to_the_day_before(
    client: AsyncMaitredClient,
) -> None:
    policy = house_policy()
    policy.periods[0].opens, policy.periods[0].closes = "18:00", "02:00"
    place = await house(client, policy=policy, time_zone="Pacific/Auckland")
    # 18:00 to 02:00 there is 05:00 or 06:00 to 13:00 or 14:00 in UTC.
    first, after_midnight = await place.party(start=evening(8)), await place.party(start=evening(12))
    seated = await place.party(start=evening(9))
    await place.assign(seated, "W1")
    found = decisions(await run(place))
    assert [each.booking_id for each in found] == [first.booking_id, after_midnight.booking_id]
    request = batch_request(place)
    request.service_date = evening().date().replace(year=2199).isoformat()
    assert [each.total for each in await run(place, request)] == [0, 0]


async def test_the_limit_takes_the_first_of_the_order_and_counts_the_rest(place: World) -> None:
    small, large = await place.booking(party=2), await place.booking(party=4, start=evening(21))
    responses = await run(place, batch_request(place, "SIZE_DESC", bookings_max=1))
    assert [each.booking_id for each in decisions(responses)] == [large.booking_id]
    assert responses[-1].summary == AutoAssignBatchSummary(assigned=1, left_out=1)
    assert (await place.read(small.booking_id)).needs_tables


async def test_the_cutoff_holds_for_each_booking(place: World) -> None:
    pair, crowd = await place.booking(start=evening(12)), await place.booking(party=30)
    reasons = {
        pair.booking_id: ErrorReason.ERROR_REASON_CUTOFF_PASSED,
        crowd.booking_id: ErrorReason.ERROR_REASON_NO_FEASIBLE_PLAN,
    }
    for order in ("TIME", "SIZE_DESC"):
        request = batch_request(place, order)
        request.cutoff.FromSeconds(round((evening(15) - datetime.now(UTC)).total_seconds()))
        responses = await run(place, request)
        assert {each.booking_id: each.reason for each in decisions(responses)} == reasons
        # In order of precedence, whoever comes first.
        assert [each.reason for each in responses[-1].summary.refusals] == list(reasons.values())


async def test_a_cutoff_of_zero_is_when_the_party_sits_down(
    client: AsyncMaitredClient, server: Served
) -> None:
    place = await house(client, policy=always_open_policy())
    booking = await place.party(start=evening())
    await turn_back(server.database_url, evening() - datetime.now(UTC) + timedelta(minutes=1))
    request = batch_request(place)
    request.service_date = (await place.read(booking.booking_id)).party.start.ToDatetime().date().isoformat()
    request.cutoff.CopyFrom(Duration())
    (refused,) = decisions(await run(place, request))
    assert refused.reason == ErrorReason.ERROR_REASON_CUTOFF_PASSED
    request.ClearField("cutoff")
    (given,) = decisions(await run(place, request))
    assert given.outcome == COMPLETED


async def test_cancelled_midway_it_leaves_whole_bookings(
    place: World, server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    bookings = [
        await place.booking(start=evening(hour)) for hour in (11, 13, 15, 17, 19, 21) for _ in range(3)
    ]
    decide, decided = AutoAssignBatch._decide, 0

    async def decide_in_time(*given: Any) -> object:
        """On a busy machine all would be decided before the server hears that nobody waits any more."""
        nonlocal decided
        decided += 1
        if decided == len(bookings):
            await asyncio.Event().wait()
        return await decide(*given)

    monkeypatch.setattr(AutoAssignBatch, "_decide", decide_in_time)
    async with aclosing(place.client.auto_assign_batch(batch_request(place))) as responses:
        await anext(responses)
        assert (await anext(responses)).done == 1
    counts = """
        SELECT
            count(*) FILTER (WHERE status = 'confirmed' AND assignment_id IS NOT NULL) AS seated,
            count(*) FILTER (WHERE status = 'pending' AND assignment_id IS NULL) AS waiting,
            (SELECT count(*) FROM table_claims) AS claims
        FROM bookings
    """
    async with restaurant_locked(server.database_url, place.restaurant_id):
        found = await row(server.database_url, counts)
    assert found["seated"] + found["waiting"] == len(bookings)
    assert found["seated"] == found["claims"]
    assert 1 <= found["seated"] < len(bookings)
    monkeypatch.undo()
    await run(place)
    assert (await row(server.database_url, counts))["seated"] == len(bookings)


async def test_when_time_runs_out_the_summary_says_what_is_left(
    place: World, server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hour in (11, 13, 15):
        await place.booking(start=evening(hour))
    last = await run_out_of_time(place, server, monkeypatch)
    assert last.summary == AutoAssignBatchSummary(out_of_time=1, not_reached=2)
    assert (last.done, last.total) == (1, 3)
    assert (await run(place))[-1].summary == AutoAssignBatchSummary(assigned=3)


async def test_what_is_not_there_is_not_found(place: World) -> None:
    request = batch_request(place)
    request.restaurant_id = UNKNOWN_ID
    with pytest.raises(RestaurantNotFoundError):
        await run(place, request)


async def test_the_blocking_client_tells_the_same(place: World, server: Served) -> None:
    await place.booking()

    def blocking() -> list[AutoAssignBatchResponse]:
        with MaitredClient(server.address, tenant_id=server.tenant_id) as client:
            return list(client.auto_assign_batch(batch_request(place)))

    responses = await asyncio.to_thread(blocking)
    assert responses[-1].summary == AutoAssignBatchSummary(assigned=1)


async def test_a_changed_booking_waits_again(place: World) -> None:
    seated = await place.seated("S", party=2)
    await place.booking(party=8, booking_id=seated.booking_id)
    (found,) = decisions(await run(place))
    assert (found.booking_id, names(place, found)) == (seated.booking_id, ["L"])


async def test_batches_at_the_same_time_assign_each_booking_once(place: World, server: Served) -> None:
    bookings = [await place.booking(start=evening(hour)) for hour in (11, 13, 15, 17, 19, 21)]
    batches = await asyncio.gather(*(run(place) for _ in range(4)))
    assert {each.reason for batch in batches for each in decisions(batch)} <= {
        0,
        ErrorReason.ERROR_REASON_REQUEST_IN_PROGRESS,
    }
    assert [each.total for each in await run(place)] == [0, 0]
    assert len(await rows(server.database_url, "SELECT FROM assignments")) == len(bookings)
