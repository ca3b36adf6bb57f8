"""What a raw SQL client of `bench` writes beside the server: as much of everything, and all of it in order."""

from collections import Counter
from collections.abc import Mapping
from uuid import UUID

from maitred_client.messages import ConfirmHoldRequest, HoldTablesRequest
from server.bench.calls import hold_call
from server.bench.floors import floor_in_rows, open_house
from server.bench.raw_values import raw_hold
from server.bench.stage import opening
from server.persistence.bench_raw import open_raw_writers
from server.persistence.bench_stock import BenchStock, Seat
from server.persistence.inspection import database_invariants
from tests.conftest import Served
from tests.support.database import belongings, connected, rows

SEATS = 3
# Of the tenant, who is one for both.
SHARED = {"tenants", "idempotency_ledger"}


async def written(server: Served, seats: tuple[Seat, ...]) -> None:
    async with server.client() as client:
        for seat in seats:
            request = HoldTablesRequest.FromString(hold_call(seat)[1])
            held = (await client.hold_tables(request)).hold
            confirm = ConfirmHoldRequest(
                restaurant_id=str(seat.restaurant_id),
                booking_id=str(seat.booking_id),
                hold_id=held.hold_id,
            )
            await client.confirm_hold(confirm)


async def counted(server: Served, restaurant_id: UUID) -> Mapping[str, int]:
    found = await belongings(server.server_url, str(restaurant_id), str(server.tenant_id))
    return {name: len(each) for name, each in found.items() if name not in SHARED}


async def ledger(server: Served) -> Counter[str]:
    found = await rows(server.server_url, "SELECT method FROM idempotency_ledger WHERE method LIKE '%Hold%'")
    return Counter(row["method"] for row in found)


async def test_a_raw_client_writes_the_rows_that_the_server_writes(own_server: Served) -> None:
    async with own_server.client() as client:
        house = await open_house(client, floor_in_rows(4))
    async with connected(own_server.server_url) as connection:
        stock = BenchStock(connection)
        raw, ours = await stock.copies(UUID(house.restaurant_id), 2)
        await stock.fill((raw, ours), 5, opening())
        seats = await stock.seats((raw, ours), 0, SEATS - 1, opening())
    assert len({(seat.restaurant_id, seat.table_id, seat.window) for seat in seats}) == 2 * SEATS
    await written(own_server, tuple(seat for seat in seats if seat.restaurant_id == ours))
    before = await ledger(own_server)
    writers = await open_raw_writers(own_server.server_url, 1)
    for seat in seats:
        if seat.restaurant_id == raw:
            await writers.write(raw_hold(own_server.tenant_id, seat, confirmed=True))
    assert await counted(own_server, raw) == await counted(own_server, ours)
    assert await ledger(own_server) == before + before
    events = (
        "SELECT event_type, jsonb_object_keys(payload) AS key FROM capacity_outbox WHERE restaurant_id = $1"
    )
    told = [
        Counter(
            (row["event_type"], row["key"])
            for row in await rows(own_server.server_url, events, restaurant_id)
        )
        for restaurant_id in (raw, ours)
    ]
    assert told[0] == told[1]
    report = await database_invariants(own_server.server_url)
    # That they were made is in the history of the bookings that were there before, and not in the audit log.
    assert {check.check_id: check.violations for check in report.checks if check.violations} == {
        "history_audited": 2 * SEATS + 10
    }
    assert (report.counts.holds, report.counts.assignments) == (2 * SEATS, 2 * SEATS + 10)
