"""While a newer version replaces this one, servers of both read what either has stored."""

from uuid import UUID

import grpc
import grpc.aio
import pytest
from google.protobuf.message import Message

from maitred_client import MaitredError, TableConflictHeldError, new_request_id
from maitred_client.messages import (
    AutoAssignJobOutcome,
    Booking,
    ErrorReason,
    GetBookingRequest,
    GetOperationRequest,
    ListBookingsRequest,
    ListRestaurantsRequest,
    OperationState,
)
from tests.builders.world import evening, stamp
from tests.builders.world_extras import House, refused
from tests.conftest import Served
from tests.support.background import WAITING, dispatched
from tests.support.database import connected, rows
from tests.support.wire import Wire

pytestmark = pytest.mark.shared_server

STRANGE = "FROM_THE_FUTURE"
UNSPECIFIED = ErrorReason.ERROR_REASON_UNSPECIFIED


async def store(server: Served, change: str, *values: object) -> None:
    """Changes something to what only a newer version would have stored."""
    async with connected(server.database_url) as connection:
        assert await connection.execute(change, *values) == "UPDATE 1"


async def unavailable(server: Served, method: str, request: Message) -> str:
    """What a server says that leaves the call to others, at the first time."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        answer = await Wire(channel, server.tenant_id).call(f"/maitred.v1.{method}", request)
    assert not isinstance(answer, bytes)
    assert answer.reason == "STORE_UNAVAILABLE"
    return answer.message


async def test_a_booking_that_was_refused_for_an_unknown_reason_is_told_without_it(
    place: House, server: Served
) -> None:
    booking = await dispatched(place, await place.party(4))
    await store(
        server,
        "UPDATE auto_assign_jobs SET state = 'waiting', outcome = 'refused', trigger = 'background',"
        f" decided_at = now(), reason = '{STRANGE}' WHERE booking_id = $1",
        UUID(booking.booking_id),
    )
    listed = await place.client.list_bookings(
        ListBookingsRequest(
            restaurant_id=place.restaurant_id, window_start=stamp(evening(12)), window_end=stamp(evening(23))
        )
    )
    seen: list[Booking] = [await place.read(booking.booking_id), *listed.bookings]
    refusal = (WAITING, AutoAssignJobOutcome.AUTO_ASSIGN_JOB_OUTCOME_REFUSED, UNSPECIFIED)
    jobs = [each.auto_assign_job for each in seen]
    assert [(job.state, job.outcome, job.reason) for job in jobs] == [refusal] * 2


async def test_an_unknown_rule_that_a_hold_sets_aside_is_kept_in_its_assignment(
    place: House, server: Served
) -> None:
    hold = await place.hold(await place.party(2), "W1")
    rules = ["SLACK_BUDGET_EXCEEDED", STRANGE]
    await store(server, "UPDATE holds SET overrides = $2 WHERE hold_id = $1", UUID(hold.hold_id), rules)
    told = [ErrorReason.ERROR_REASON_SLACK_BUDGET_EXCEEDED, UNSPECIFIED]
    assert (await place.hold_now(hold)).overrides == told
    given = await place.confirm(hold)
    assert given.overrides == told
    kept = "SELECT overrides FROM assignments WHERE assignment_id = $1"
    assert await rows(server.database_url, kept, UUID(given.assignment_id)) == [{"overrides": rules}]


async def test_a_recorded_refusal_for_an_unknown_reason_is_repeated_under_its_name(
    place: House, server: Served
) -> None:
    await place.hold(await place.party(), "W1")
    booking, request_id = await place.party(), new_request_id()
    request = place.hold_request(booking.booking_id, ["W1"], request_id=request_id)
    first = await refused(place.client.hold_tables(request), TableConflictHeldError)
    await store(
        server,
        f"""UPDATE idempotency_ledger SET answer = jsonb_set(answer, '{{reason}}', '"{STRANGE}"')"""
        " WHERE request_id = $1",
        UUID(request_id),
    )
    again = await refused(place.client.hold_tables(request), MaitredError)
    assert (again.code, again.details.reason) == (grpc.StatusCode.FAILED_PRECONDITION, STRANGE)
    assert (again.message, again.details.conflicts) == (first.message, first.details.conflicts)
    known = await place.client.get_operation(
        GetOperationRequest(method="HoldTables", operation_request_id=request_id)
    )
    assert (known.state, known.reason, known.message) == (
        OperationState.OPERATION_STATE_REFUSED,
        UNSPECIFIED,
        first.message,
    )


async def test_a_recorded_answer_in_unknown_words_is_left_to_servers_that_know_them(
    place: House, server: Served
) -> None:
    request = place.hold_request((await place.party()).booking_id, ["W1"])
    hold = (await place.client.hold_tables(request)).hold
    change = (
        "UPDATE idempotency_ledger SET answer = jsonb_set(answer, '{hold,state}', $2) WHERE request_id = $1"
    )
    await store(server, change, UUID(request.request_id), f'"{STRANGE}"')
    asked = GetOperationRequest(method="HoldTables", operation_request_id=request.request_id)
    for method, repeated in (("HoldTables", request), ("GetOperation", asked)):
        assert "newer version" in await unavailable(server, f"AssignmentService/{method}", repeated)
    await store(server, change, UUID(request.request_id), '"active"')
    assert (await place.client.hold_tables(request)).hold == hold


async def test_a_time_zone_that_only_newer_servers_know_is_left_to_them(place: House, server: Served) -> None:
    request, change = (
        place.booking_request(),
        "UPDATE restaurants SET time_zone = $2 WHERE restaurant_id = $1",
    )
    await store(server, change, UUID(place.restaurant_id), STRANGE)
    assert "time zone" in await unavailable(server, "BookingService/PutBooking", request)
    (listed,) = (await place.client.list_restaurants(ListRestaurantsRequest())).restaurants
    assert listed.time_zone == STRANGE
    await store(server, change, UUID(place.restaurant_id), "UTC")
    assert (await place.client.put_booking(request)).booking.party == request.party


async def test_a_policy_in_unknown_words_is_left_to_servers_that_know_them(
    place: House, server: Served
) -> None:
    request = place.booking_request()
    policy = """jsonb_set(policy, '{combinations,adjacency_mode}', $2)"""
    change = f"""WITH newer AS (
            INSERT INTO service_policies (restaurant_id, policy_version, policy, actor)
            SELECT restaurant_id, policy_version + 1, {policy}, 'newer' FROM service_policies
            WHERE restaurant_id = $1 ORDER BY policy_version DESC LIMIT 1
        )
        UPDATE restaurants SET policy_version = policy_version + 1 WHERE restaurant_id = $1"""
    await store(server, change, UUID(place.restaurant_id), f'"{STRANGE}"')
    assert "newer version" in await unavailable(server, "BookingService/PutBooking", request)
    await store(server, change, UUID(place.restaurant_id), '"hub"')
    assert (await place.client.put_booking(request)).booking.party == request.party


async def test_a_state_that_only_newer_servers_know_is_left_to_them(place: House, server: Served) -> None:
    booking = await place.party()
    change = "UPDATE booking_history SET to_status = $2 WHERE booking_id = $1"
    await store(server, change, UUID(booking.booking_id), STRANGE)
    request = GetBookingRequest(restaurant_id=place.restaurant_id, booking_id=booking.booking_id)
    assert "newer version" in await unavailable(server, "BookingService/GetBooking", request)
    await store(server, change, UUID(booking.booking_id), "pending")
    assert (await place.client.get_booking(request)).booking == booking
