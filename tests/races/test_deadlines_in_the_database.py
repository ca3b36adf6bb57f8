"""What is left of a caller's time is the time that the database gives each statement of the call."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from maitred_client.messages import Booking
from server.persistence.pool import DriverConnection
from server.persistence.transactions import limits_ms
from tests.builders.world_extras import House
from tests.races.behind_faults import COMMIT, interrupted
from tests.races.faults import Run

Change: TypeAlias = Callable[[House, Booking, float], Awaitable[object]]


async def _put(place: House, booking: Booking, timeout_s: float) -> object:
    return await place.client.put_booking(place.booking_request(), timeout_s=timeout_s)


async def _hold(place: House, booking: Booking, timeout_s: float) -> object:
    return await place.client.hold_tables(place.hold_request(booking.booking_id, ["W1"]), timeout_s=timeout_s)


async def _auto_assign(place: House, booking: Booking, timeout_s: float) -> object:
    return await place.client.auto_assign(place.auto_assign_request(booking.booking_id), timeout_s=timeout_s)


LEFT_MS = "SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout'"
CHANGES = {"a change of its own": _put, "a change that others may join": _hold, "automatic": _auto_assign}


@pytest.mark.parametrize("change", CHANGES)
async def test_no_statement_outlasts_its_caller(change: str, database_url: str) -> None:
    left_ms: list[int] = []

    async def look(connection: DriverConnection, run: Run) -> Any:
        left_ms.append(await connection.fetchval(LEFT_MS))
        return await run()

    async with interrupted(database_url) as scene:
        booking = await scene.place.party()
        for timeout_s in (10.0, 40.0):
            scene.plan.arm_for(COMMIT, look)
            await CHANGES[change](scene.place, booking, timeout_s)
            scene.plan.disarm()
            # What travels is rounded, so a little more than was asked for may arrive.
            assert 0 < left_ms[-1] <= timeout_s * 1_100
    assert left_ms[1] > left_ms[0] * 1.5


@pytest.mark.parametrize(
    ("given_s", "limits"),
    [((5.0, 2.0), ("5000", "2000")), ((0.5, 2.0), ("500", "500")), ((0.0001, 2.0), ("1", "1"))],
)
def test_no_lock_is_waited_for_longer_than_its_statement_lasts_and_nothing_is_without_a_limit(
    given_s: tuple[float, float], limits: tuple[str, str]
) -> None:
    assert limits_ms(*given_s) == limits
