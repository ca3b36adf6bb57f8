"""O8: what is past its time goes, a bounded number at a time; O7: so do expired holds. The rest stays."""

from maitred_client import new_request_id
from maitred_client.messages import GetOperationRequest, OperationState
from tests.builders.world_extras import House
from tests.conftest import Served
from tests.support.database import connected, expire, rows
from tests.support.working import until, until_settled, worker_on

OLD = "interval '400 days'"


async def test_what_is_past_its_time_is_deleted_a_bounded_number_at_a_time(
    place: House, server: Served
) -> None:
    """Answers, delivered events and telemetry of the first bookings are old, those of the last are not."""
    url = server.database_url
    for _ in range(4):
        await place.party()
    async with worker_on(url):
        await until_settled(url)
    last = place.booking_request(request_id=new_request_id())
    async with connected(url) as connection:
        await connection.execute(f"UPDATE idempotency_ledger SET expires_at = now() - {OLD}")
        await connection.execute(
            f"UPDATE capacity_outbox SET updated_at = updated_at - {OLD}, created_at = now() - {OLD}"
        )
        await connection.execute(f"UPDATE telemetry_events SET occurred_at = occurred_at - {OLD}")
    await place.client.put_booking(last)
    async with worker_on(url, upkeep_s=1, upkeep_rows_max=2):
        for kept in ("idempotency_ledger", "capacity_outbox", "telemetry_events"):
            await until(url, f"SELECT count(*) FROM {kept}", [{"count": 1}])
    known = await place.client.get_operation(
        GetOperationRequest(method="PutBooking", operation_request_id=last.request_id)
    )
    assert known.state == OperationState.OPERATION_STATE_SUCCEEDED
    assert await rows(url, "SELECT count(*) FROM bookings") == [{"count": 5}]


async def test_expired_holds_are_cleared_away_and_live_ones_stay(place: House, server: Served) -> None:
    over, alive = await place.hold(await place.party(), "W1"), await place.hold(await place.party(), "W2")
    await expire(server.database_url, over.hold_id)
    async with worker_on(server.database_url, sweep_s=0.05):
        await until(
            server.database_url,
            "SELECT hold_id::text FROM holds WHERE state = 'expired'",
            [{"hold_id": over.hold_id}],
        )
    claims = await rows(server.database_url, "SELECT hold_id::text FROM table_claims")
    assert claims == [{"hold_id": alive.hold_id}]
