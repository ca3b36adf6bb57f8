"""V10: a recorded day replayed again seats the same parties at the same tables and refuses the others for the same."""

import datetime as dt
from dataclasses import replace
from uuid import uuid4

from server.cli.embedded_server import SAMPLE_FILE
from server.cli.replay import replay_day
from server.cli.replay_result import BookingResult, DayResult
from server.cli.service_day_file import read_service_days
from tests.builders.world import evening
from tests.conftest import Served

# Enough that parties compete for tables.
REQUESTS = 30


async def replayed(server: Served, date: dt.date) -> DayResult:
    """The first requests of the sample day, for a tenant of its own."""
    (day,) = read_service_days(SAMPLE_FILE)
    async with server.client(tenant_id=uuid4()) as client:
        return await replay_day(client, day.model_copy(update={"bookings": day.bookings[:REQUESTS]}), date)


def decisions(result: DayResult) -> list[BookingResult]:
    """Who got which tables, and who was refused why, without how long it took."""
    return [replace(each, latency_ms=0.0) for each in result.bookings]


async def test_every_party_of_a_day_gets_the_same_tables_again(server: Served) -> None:
    date = evening().date()
    first, second = await replayed(server, date), await replayed(server, date)
    assert decisions(first) == decisions(second)
    assert first.restaurant_id != second.restaurant_id
    assert len(first.seated) + sum(first.refused.values()) == REQUESTS
    assert first.covers == second.covers > 0
    assert first.seat_use == second.seat_use > 0
    assert len({each.tables for each in first.seated}) > 5
