"""Whoever names another tenant's restaurant waits for nothing that goes on in it."""

import asyncio

import pytest

from tests.acceptance.test_tenants import REQUESTS, TwoTenants, beside, furnished_tenant, send
from tests.conftest import Served
from tests.support.database import restaurant_locked
from tests.support.wire import Refused, Wire

pytestmark = [pytest.mark.shared_server, pytest.mark.each_way_of_writing]

# Ways to wait for a restaurant: alone, or in a group with others.
WAITING = ("PutBooking", "PutBooking", "PutBooking", "HoldTables", "HoldTables", "ExtendHold")


def owners_calls(tenants: TwoTenants) -> list["asyncio.Future[bytes | Refused]"]:
    owner = Wire(tenants.wire.channel, tenants.their_tenant)
    return [asyncio.ensure_future(send(owner, method, tenants.theirs)) for method in WAITING]


async def test_whoever_names_anothers_busy_restaurant_is_answered_at_once(server: Served) -> None:
    async with beside(await furnished_tenant(server), server) as tenants:
        async with restaurant_locked(server.server_url, tenants.theirs.restaurant):
            waiting = owners_calls(tenants)
            await asyncio.sleep(0.05)
            answers = await asyncio.gather(
                *(send(tenants.wire, method, tenants.theirs) for method in REQUESTS)
            )
            assert not any(call.done() for call in waiting)
        assert {answer.reason for answer in answers if isinstance(answer, Refused)} == {
            "RESTAURANT_NOT_FOUND"
        }
        assert all(isinstance(answer, Refused) for answer in answers)
        await asyncio.gather(*waiting)
