"""The main job with a client that has never seen the contract: everything it knows comes from reflection."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from uuid import uuid4

import pytest

from maitred_client import AsyncMaitredClient
from tests.builders.world import small_world
from tests.conftest import Served
from tests.support.programs import buf_curl

pytestmark = pytest.mark.shared_server

Ask: TypeAlias = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]


def asking(server: Served) -> Ask:
    async def ask(method: str, request: dict[str, Any]) -> dict[str, Any]:
        tenant = f"x-maitred-tenant: {server.tenant_id}"
        url = f"http://{server.address}/maitred.v1.{method}"
        answer: dict[str, Any] = json.loads(await buf_curl("-H", tenant, "-d", json.dumps(request), url))
        return answer

    return ask


async def test_a_generic_client_plans_holds_and_confirms(server: Served, client: AsyncMaitredClient) -> None:
    world, ask = await small_world(client), asking(server)
    booking = {"restaurant_id": world.restaurant_id, "booking_id": (await world.booking(party=6)).booking_id}
    plan = (await ask("PlannerService/PlanTables", booking))["plans"][0]
    chosen = {"table_ids": plan["tableIds"], "context_version": plan["contextVersion"]}
    request = {**booking, **chosen, "request_id": str(uuid4())}
    hold = (await ask("AssignmentService/HoldTables", request))["hold"]
    assert hold["tableIds"] == plan["tableIds"]
    confirm = {**booking, "hold_id": hold["holdId"], "request_id": str(uuid4())}
    done = await ask("AssignmentService/ConfirmHold", confirm)
    assert done["booking"]["status"] == "BOOKING_STATUS_CONFIRMED"
    assert done["assignment"]["tableIds"] == plan["tableIds"]
    assert await ask("AssignmentService/ConfirmHold", confirm) == done
