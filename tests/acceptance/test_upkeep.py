"""O8: what is past its time goes, a bounded number at a time; O7: so do expired holds. The rest stays."""

from datetime import UTC, datetime, timedelta

from maitred_client import CapacityBelowMinPartyError, new_request_id
from maitred_client.messages import (
    BookingAction,
    BookingStatus,
    GetOperationRequest,
    OperationState,
    UnblockTablesRequest,
)
from server.config import Settings
from server.persistence.upkeep import UPKEEP
from tests.builders.world import evening, small_world
from tests.builders.world_extras import House, refused
from tests.conftest import Served
from tests.support.database import connected, expire, restaurant_locked, rows, turn_back
from tests.support.outbox import put_events, queue_on
from tests.support.working import until, until_settled, worker_on

OLD, SOON = "interval '400 days'", "interval '10 minutes'"
KEPT_FOR_A_TIME = ("idempotency_ledger", "capacity_outbox", "telemetry_events")
CLEARED_UP = """
    SELECT count(*) FROM past_claims_cleared
    WHERE now() - cleared_until BETWEEN interval '30 days' AND interval '31 days'
"""
# Notes how many rows each statement deletes.
COUNTED = """
    CREATE TABLE deleted (of text, rows bigint);
    CREATE FUNCTION count_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO deleted SELECT tg_table_name, count(*) FROM gone;
        RETURN NULL;
    END $$;
""" + "".join(
    f"CREATE TRIGGER counted AFTER DELETE ON {table} REFERENCING OLD TABLE AS gone"
    " FOR EACH STATEMENT EXECUTE FUNCTION count_deleted();"
    for table in KEPT_FOR_A_TIME
)


async def test_what_is_past_its_time_is_deleted_a_bounded_number_at_a_time(
    place: House, server: Served
) -> None:
    """Answers, delivered events and telemetry of the first bookings are old, those of the last are nearly. One event
    was never delivered.
    """
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
        await connection.execute(
            "UPDATE capacity_outbox SET status = 'dead' WHERE id = (SELECT id FROM capacity_outbox LIMIT 1)"
        )
        await place.client.put_booking(last)
        await connection.execute(
            f"UPDATE idempotency_ledger SET expires_at = now() + {SOON} WHERE expires_at > now()"
        )
        await connection.execute(
            f"UPDATE capacity_outbox SET created_at = now() - interval '7 days' + {SOON} WHERE status = 'pending'"
        )
        await connection.execute(COUNTED)
    async with worker_on(url, upkeep_s=1, upkeep_rows_max=2):
        for kept in ("idempotency_ledger", "telemetry_events"):
            await until(url, f"SELECT count(*) FROM {kept}", [{"count": 1}])
        states = "SELECT status FROM capacity_outbox ORDER BY status"
        await until(url, states, [{"status": "dead"}, {"status": "done"}])
    most = await rows(url, "SELECT of, max(rows) AS most FROM deleted GROUP BY of ORDER BY of")
    assert most == [{"of": table, "most": 2} for table in sorted(KEPT_FOR_A_TIME)]
    known = await place.client.get_operation(
        GetOperationRequest(method="PutBooking", operation_request_id=last.request_id)
    )
    assert known.state == OperationState.OPERATION_STATE_SUCCEEDED
    assert await rows(url, "SELECT count(*) FROM bookings") == [{"count": 5}]


async def test_past_claims_go_and_assignments_and_blocks_still_tell(place: House, server: Served) -> None:
    """A year ago: a party that left early, one that nobody checked out, and a block. And what is to come."""
    url = server.database_url
    left, still, block = await place.seated("W1"), await place.seated("W2"), await place.block("W3", "W4")
    await place.transition(left, BookingAction.BOOKING_ACTION_CHECK_IN)
    await turn_back(url, evening() - datetime.now(UTC) + timedelta(minutes=30))
    await place.transition(left, BookingAction.BOOKING_ACTION_COMPLETE)
    await turn_back(url, timedelta(days=365))
    today, ahead = await place.seated("P1"), await place.block("P2")
    told = "SELECT 'a' AS of, table_ids FROM assignments UNION ALL SELECT 'b', table_ids FROM blocks ORDER BY 1, 2"
    before = await rows(url, told)
    owners = "SELECT coalesce(booking_id, block_id)::text AS of FROM table_claims ORDER BY 1"
    assert len(await rows(url, owners)) == 6
    async with worker_on(url, upkeep_s=1):
        await until(url, CLEARED_UP, [{"count": 1}])
    kept = sorted((still.booking_id, today.booking_id, ahead.block_id))
    assert await rows(url, owners) == [{"of": of} for of in kept]
    assert (await rows(url, told), len(before)) == (before, 5)
    assert await place.violations() == 0
    unblock = UnblockTablesRequest(restaurant_id=place.restaurant_id, block_id=block.block_id)
    assert (await place.client.unblock_tables(unblock)).block.released


async def test_the_claims_of_a_party_that_is_checked_out_long_afterwards_go_as_well(
    place: House, server: Served
) -> None:
    """Its day has been cleared away already, and no day is cleared twice."""
    url, late = server.database_url, await place.seated("W1")
    await place.transition(late, BookingAction.BOOKING_ACTION_CHECK_IN)
    await turn_back(url, timedelta(days=365))
    async with worker_on(url, upkeep_s=1):
        await until(url, CLEARED_UP, [{"count": 1}])
    assert await rows(url, "SELECT count(*) FROM table_claims") == [{"count": 1}]
    completed = await place.transition(late, BookingAction.BOOKING_ACTION_COMPLETE)
    assert completed.status == BookingStatus.BOOKING_STATUS_COMPLETED
    assert await rows(url, "SELECT count(*) FROM table_claims") == [{"count": 0}]
    assert await place.violations() == 0


async def test_expired_holds_are_cleared_away_and_live_ones_stay(place: House, server: Served) -> None:
    """Those that ended before their time was over are what they were."""
    over, alive, ended, confirmed = [
        await place.hold(await place.party(), name) for name in ("W1", "W2", "W3", "W4")
    ]
    await place.release(ended)
    await place.confirm(confirmed)
    for hold in (over, ended, confirmed):
        await expire(server.database_url, hold.hold_id)
    async with worker_on(server.database_url, sweep_s=0.05):
        swept = f"SELECT state FROM holds WHERE hold_id = '{over.hold_id}'"
        await until(server.database_url, swept, [{"state": "expired"}])
    claims = await rows(server.database_url, "SELECT hold_id::text FROM table_claims WHERE kind = 'hold'")
    assert claims == [{"hold_id": alive.hold_id}]
    states = await rows(server.database_url, "SELECT hold_id::text, state FROM holds")
    assert {row["hold_id"]: row["state"] for row in states} == {
        over.hold_id: "expired",
        alive.hold_id: "active",
        ended.hold_id: "released",
        confirmed.hold_id: "confirmed",
    }


async def test_a_restaurant_that_is_locked_keeps_no_other_from_being_swept(
    place: House, server: Served
) -> None:
    """Its hold is over for longer, so it is the first to be looked at; and to wait for it takes a whole round."""
    url, other = server.database_url, await small_world(place.client)
    locked, free = await place.hold(await place.party(), "W1"), await other.hold(await other.booking(), "T1")
    await expire(url, locked.hold_id)
    await expire(url, free.hold_id)
    in_a_hurry = worker_on(url, sweep_s=0.05, deadline_s_default=0.5)
    async with restaurant_locked(url, place.restaurant_id), in_a_hurry:
        swept = "SELECT hold_id::text FROM holds WHERE state = 'expired'"
        await until(url, swept, [{"hold_id": free.hold_id}])


async def test_the_longest_expired_hold_is_looked_for_first(place: House, server: Served) -> None:
    """Of a restaurant that has others, which are over since a moment ago."""
    url, other = server.database_url, await small_world(place.client)
    holds = await place.hold(await place.party(), "W1"), await other.hold(await other.booking(), "T1")
    later, longest = sorted(holds, key=lambda hold: hold.restaurant_id)
    mine = longest.restaurant_id == place.restaurant_id
    last = await (place.hold(await place.party(), "W2") if mine else other.hold(await other.booking(), "T2"))
    for hold in (longest, later, last):
        await expire(url, hold.hold_id)
    for most, expected in ((1, [longest]), (9, [longest, later])):
        found = await rows(url, UPKEEP["restaurants_with_expired_holds"], most)
        assert [str(row["restaurant_id"]) for row in found] == [hold.restaurant_id for hold in expected]


async def test_an_answer_is_kept_for_its_time_whatever_it_says(
    place: House, server: Served, settings: Settings
) -> None:
    await place.hold(await place.party(), "W1")
    await refused(place.hold(await place.party(), "L8"), CapacityBelowMinPartyError)
    kept = "SELECT DISTINCT refused, expires_at - created_at AS life FROM idempotency_ledger ORDER BY refused"
    life = timedelta(seconds=settings.ledger_ttl_s)
    assert await rows(server.database_url, kept) == [
        {"refused": each, "life": life} for each in (False, True)
    ]


async def test_the_oldest_answers_go_first_and_one_that_somebody_has_stays(
    place: House, server: Served
) -> None:
    url = server.database_url
    async with connected(url) as connection, connected(url) as somebody, somebody.transaction():
        await connection.execute("SET lock_timeout = '5s'")
        await connection.execute(
            "UPDATE idempotency_ledger AS l SET expires_at = now() - make_interval(hours => o.hours) FROM ("
            "SELECT request_id, row_number() OVER (ORDER BY created_at)::int AS hours FROM idempotency_ledger"
            ") AS o WHERE l.request_id = o.request_id"
        )
        oldest_first = "SELECT request_id FROM idempotency_ledger ORDER BY expires_at"
        locked, gone, *kept = [row["request_id"] for row in await rows(url, oldest_first)]
        await somebody.execute(
            "SELECT FROM idempotency_ledger WHERE request_id = $1 FOR NO KEY UPDATE", locked
        )
        assert await connection.fetchval(UPKEEP["forget_answers"], 1) == 1
    assert [row["request_id"] for row in await rows(url, oldest_first)] == [locked, *kept]
    assert gone not in kept


async def test_the_oldest_of_delivered_events_go_first_and_others_stay(database_url: str) -> None:
    await put_events(database_url, versions=4)
    async with queue_on(database_url) as queue, connected(database_url) as connection:
        await connection.execute(
            "UPDATE capacity_outbox SET created_at = now() - make_interval(hours => floor_version::int),"
            " status = CASE floor_version WHEN 4 THEN 'dead' ELSE 'done' END"
        )
        assert await queue.delete_delivered(5_400.0, 1) == 1
        left = await connection.fetch("SELECT floor_version FROM capacity_outbox ORDER BY floor_version")
        assert [row["floor_version"] for row in left] == [1, 2, 4]
        assert await queue.delete_delivered(5_400.0, 9) == 1
        assert await queue.delete_delivered(5_400.0, 9) == 0
