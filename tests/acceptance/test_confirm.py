"""A11: Confirming a hold: what comes of it in the answer and in every table of the database."""

import json
from uuid import UUID

import pytest

from maitred_client import (
    HoldAlreadyConfirmedError,
    HoldAlreadyReleasedError,
    HoldExpiredError,
    HoldMismatchError,
    HoldNotFoundError,
    RequestIdReusedError,
    VersionMismatchError,
    instant,
)
from maitred_client.messages import (
    AssignmentState,
    BookingStatus,
    HoldState,
    ListAssignmentsRequest,
)
from tests.builders.world import evening, stamp
from tests.builders.world_extras import UNKNOWN_ID, House, refused
from tests.conftest import Served
from tests.support.database import expire, row, rows

pytestmark = [pytest.mark.shared_server, pytest.mark.each_way_of_writing]

CONFIRMED = BookingStatus.BOOKING_STATUS_CONFIRMED


async def test_confirm_answers_with_the_assignment_and_the_confirmed_booking(place: House) -> None:
    booking = await place.party(6)
    hold = await place.hold(booking, "W1", "W2")
    answer = await place.client.confirm_hold(place.confirm_request(hold))
    assignment = answer.assignment
    assert list(assignment.table_ids) == sorted(place.ids(["W1", "W2"]))
    assert (assignment.window_start, assignment.window_end) == (booking.window_start, booking.window_end)
    assert assignment.state == AssignmentState.ASSIGNMENT_STATE_ACTIVE
    assert (assignment.booking_id, assignment.hold_id) == (booking.booking_id, hold.hold_id)
    assert (assignment.party_size, assignment.actor, assignment.assignment_epoch) == (6, "tests", 1)
    assert str(UUID(assignment.merge_group_id)) == assignment.merge_group_id
    assert answer.booking == (await place.found(booking)).booking
    assert (answer.booking.status, answer.booking.revision, answer.booking.needs_tables) == (
        CONFIRMED,
        2,
        False,
    )
    assert (await place.hold_now(hold)).state == HoldState.HOLD_STATE_CONFIRMED
    assert await place.assignment(booking.booking_id) == assignment


async def test_a_single_table_makes_no_merge_group(place: House, server: Served) -> None:
    assignment = await place.confirm(await place.hold(await place.party(), "W1"))
    assert assignment.merge_group_id == ""
    assert await rows(server.database_url, "SELECT * FROM merge_groups") == []


async def test_confirm_turns_the_holds_claims_into_the_assignments(place: House, server: Served) -> None:
    hold = await place.hold(await place.party(6), "W1", "W2")
    query = "SELECT claim_id, table_id, during, kind, hold_id, assignment_id, expires_at FROM table_claims"
    before = {claim["claim_id"]: claim for claim in await rows(server.database_url, query)}
    assignment = await place.confirm(hold)
    after = {claim["claim_id"]: claim for claim in await rows(server.database_url, query)}
    assert before.keys() == after.keys()
    for claim_id, claim in after.items():
        assert (claim["table_id"], claim["during"]) == (
            before[claim_id]["table_id"],
            before[claim_id]["during"],
        )
        assert (claim["kind"], claim["hold_id"], claim["expires_at"]) == ("assignment", None, None)
        assert str(claim["assignment_id"]) == assignment.assignment_id


async def test_confirm_writes_history_audit_and_ledger(place: House, server: Served) -> None:
    booking = await place.party(6)
    hold = await place.hold(booking, "W1", "W2")
    request = place.confirm_request(hold)
    request.reason, request.actor = "guest called", "Ada"
    assignment = (await place.client.confirm_hold(request)).assignment
    newest, first = (await place.found(booking)).history
    assert (newest.from_status, newest.to_status) == (BookingStatus.BOOKING_STATUS_PENDING, CONFIRMED)
    assert (newest.actor, newest.reason, newest.revision) == ("Ada", "guest called", 2)
    assert (first.from_status, first.revision) == (BookingStatus.BOOKING_STATUS_UNSPECIFIED, 1)

    audit = await row(
        server.database_url, "SELECT *, details::text AS d FROM audit_log WHERE action = 'assign'"
    )
    assert (audit["actor"], audit["reason"], audit["resource"]) == ("Ada", "guest called", "booking")
    assert str(audit["resource_id"]) == booking.booking_id
    assert audit["tenant_id"] == server.tenant_id
    assert json.loads(audit["d"]) == {
        "request_id": request.request_id,
        "assignment_id": assignment.assignment_id,
        "table_ids": list(assignment.table_ids),
        "events": 3,
    }
    ledger = await row(
        server.database_url,
        "SELECT tenant_id, refused, expires_at - created_at AS kept FROM idempotency_ledger"
        " WHERE request_id = $1::text::uuid",
        request.request_id,
    )
    assert (ledger["tenant_id"], ledger["refused"], ledger["kept"].days) == (server.tenant_id, False, 7)


async def test_confirm_tells_the_world_what_the_outbox_promises(place: House, server: Served) -> None:
    booking = await place.party(6)
    hold = await place.hold(booking, "W1", "W2")
    request = place.confirm_request(hold)
    assignment = (await place.client.confirm_hold(request)).assignment
    events = await rows(
        server.database_url,
        "SELECT event_type, status, attempt_count, booking_id, idempotency_key, payload::text AS p"
        " FROM capacity_outbox WHERE floor_version = (SELECT floor_version FROM restaurants) ORDER BY position",
    )
    assert [event["event_type"] for event in events] == [
        "capacity.hold.confirmed",
        "capacity.assignment.sync",
        "capacity.booking.transitioned",
    ]
    assert {(event["status"], event["attempt_count"]) for event in events} == {("pending", 0)}
    assert {str(event["booking_id"]) for event in events} == {booking.booking_id}
    window = {
        "startAt": instant(booking.window_start).isoformat(),
        "endAt": instant(booking.window_end).isoformat(),
    }
    common = {
        "bookingId": booking.booking_id,
        "restaurantId": place.restaurant_id,
        "tableIds": list(hold.table_ids),
        **window,
    }
    confirmed, sync, moved = (json.loads(event["p"]) for event in events)
    assert confirmed == common | {
        "holdId": hold.hold_id,
        "zoneId": place.zones["Hall"],
        "expiresAt": instant(hold.expires_at).isoformat(),
        "actorId": "tests",
        "metadata": {},
    }
    assert sync == common | {
        "assignmentId": assignment.assignment_id,
        "mergeGroupId": assignment.merge_group_id,
        "idempotencyKey": request.request_id,
    }
    assert (moved["fromStatus"], moved["toStatus"], moved["needsTables"]) == ("pending", "confirmed", False)


async def test_confirming_releases_the_bookings_other_holds(place: House) -> None:
    booking = await place.party()
    chosen, other = await place.hold(booking, "W1"), await place.hold(booking, "W3")
    await place.confirm(chosen)
    assert (await place.hold_now(other)).state == HoldState.HOLD_STATE_RELEASED
    await place.hold(await place.party(), "W3")


@pytest.mark.parametrize("field", ["booking_id", "table_ids"])
async def test_a_hold_that_is_not_what_the_caller_believes_is_not_confirmed(field: str, place: House) -> None:
    hold = await place.hold(await place.party(), "W1")
    request = place.confirm_request(hold)
    if field == "booking_id":
        request.booking_id = (await place.party()).booking_id
    else:
        request.table_ids.extend(place.ids(["W1", "W2"]))
    error = await refused(place.client.confirm_hold(request), HoldMismatchError)
    assert error.metadata == {"hold_id": hold.hold_id, "field": field}
    assert (await place.hold_now(hold)).state == HoldState.HOLD_STATE_ACTIVE


async def test_tables_are_the_same_in_any_order(place: House) -> None:
    hold = await place.hold(await place.party(6), "W1", "W2")
    request = place.confirm_request(hold)
    request.table_ids.extend(reversed(hold.table_ids))
    assert (await place.client.confirm_hold(request)).booking.status == CONFIRMED


async def test_a_hold_is_confirmed_once(place: House, server: Served) -> None:
    hold = await place.hold(await place.party(), "W1")
    request = place.confirm_request(hold)
    answer = await place.client.confirm_hold(request)
    assert await place.client.confirm_hold(request) == answer
    # Its time passes, and it stays confirmed.
    await expire(server.database_url, hold.hold_id)
    error = await refused(place.confirm(hold), HoldAlreadyConfirmedError)
    assert error.metadata == {"hold_id": hold.hold_id, "booking_id": hold.booking_id}
    assert len(await rows(server.database_url, "SELECT * FROM assignments")) == 1


async def test_a_refused_confirm_stays_refused_under_its_request_id(place: House) -> None:
    hold = await place.hold(await place.party(), "W1")
    await place.release(hold)
    request = place.confirm_request(hold)
    first = await refused(place.client.confirm_hold(request), HoldAlreadyReleasedError)
    again = await refused(place.client.confirm_hold(request), HoldAlreadyReleasedError)
    assert (first.message, first.details) == (again.message, again.details)
    request.reason = "please"
    error = await refused(place.client.confirm_hold(request), RequestIdReusedError)
    assert error.metadata["differing_fields"] == "reason"


async def test_a_hold_whose_time_is_over_is_not_confirmed(place: House, server: Served) -> None:
    booking = await place.party()
    hold = await place.hold(booking, "W1")
    await expire(server.database_url, hold.hold_id)
    error = await refused(place.confirm(hold), HoldExpiredError)
    expired = await row(server.database_url, "SELECT expires_at FROM holds")
    assert error.metadata == {"hold_id": hold.hold_id, "expired_at": expired["expires_at"].isoformat()}
    assert (await place.found(booking)).booking.status == BookingStatus.BOOKING_STATUS_PENDING


async def test_a_hold_for_another_time_or_party_is_gone(place: House) -> None:
    booking = await place.party(2)
    hold = await place.hold(booking, "W1")
    await place.party(4, booking_id=booking.booking_id)
    await refused(place.confirm(hold), HoldAlreadyReleasedError)


async def test_a_confirm_with_an_old_etag_is_refused(place: House) -> None:
    booking = await place.party()
    hold = await place.hold(booking, "W1")
    request = place.confirm_request(hold)
    request.etag = booking.etag
    await place.party(2, booking_id=booking.booking_id, reference="moved")
    await refused(place.client.confirm_hold(request), VersionMismatchError)


async def test_a_hold_nobody_made_is_not_found(place: House) -> None:
    hold = await place.hold(await place.party(), "W1")
    request = place.confirm_request(hold)
    request.hold_id = UNKNOWN_ID
    error = await refused(place.client.confirm_hold(request), HoldNotFoundError)
    assert error.metadata == {"restaurant_id": place.restaurant_id, "hold_id": UNKNOWN_ID}


async def test_assigning_without_a_hold_writes_the_same(place: House, server: Served) -> None:
    booking = await place.party(6)
    request = place.assign_request(booking.booking_id, ["W1", "W2"])
    answer = await place.client.assign_tables(request)
    assert answer.booking.status == CONFIRMED
    assert answer.assignment.hold_id == ""
    assert len(answer.assignment.merge_group_id) == 36
    written = await row(
        server.database_url,
        "SELECT (SELECT count(*) FROM table_claims WHERE kind = 'assignment') AS claims,"
        " (SELECT count(*) FROM merge_groups) AS groups,"
        " (SELECT count(*) FROM audit_log WHERE action = 'assign') AS audits,"
        " (SELECT count(*) FROM capacity_outbox WHERE event_type = 'capacity.assignment.sync') AS events",
    )
    assert written == {"claims": 2, "groups": 1, "audits": 1, "events": 1}


async def test_assignments_are_listed_by_window(place: House) -> None:
    noon = await place.seated("W1", start=evening(12))
    night = await place.seated("W1", start=evening(19))
    given_up = await place.seated("W2", start=evening(19))
    await place.unassign(given_up)

    async def listed(start: int, end: int) -> list[str]:
        request = ListAssignmentsRequest(
            restaurant_id=place.restaurant_id,
            window_start=stamp(evening(start)),
            window_end=stamp(evening(end)),
            page_size=1,
        )
        return [item.booking_id async for item in place.client.iterate_assignments(request)]

    assert await listed(10, 23) == [noon.booking_id, night.booking_id]
    assert await listed(10, 19) == [noon.booking_id]
    assert await listed(14, 23) == [night.booking_id]
    assert await listed(14, 19) == []
