"""The call that does nothing: what `bench` holds other calls against."""

from uuid import uuid4

import pytest

from maitred_client import AsyncMaitredClient, PermissionMissingError
from maitred_client.messages import GetOutboxStatsRequest, GetOutboxStatsResponse
from server.bench.floors import floor_in_rows, open_house
from server.bootstrap import serving
from server.config import Settings
from server.rpc.empty_call import answer_empty_calls
from server.rpc.services.ops import OpsService


async def test_it_answers_nothing_and_passes_everything_that_calls_pass(
    monkeypatch: pytest.MonkeyPatch, database_url: str, settings: Settings
) -> None:
    monkeypatch.setattr(OpsService, "GetOutboxStats", OpsService.GetOutboxStats)
    tenant_id = uuid4()
    async with (
        serving(settings, database_url) as usual,
        AsyncMaitredClient(usual.address, tenant_id=tenant_id) as client,
    ):
        await open_house(client, floor_in_rows(2))
        assert await client.get_outbox_stats(GetOutboxStatsRequest()) != GetOutboxStatsResponse()
    answer_empty_calls()
    async with (
        serving(settings, database_url) as measured,
        AsyncMaitredClient(measured.address, tenant_id=tenant_id) as client,
        AsyncMaitredClient(measured.address, tenant_id=tenant_id, scopes=["read"]) as reader,
    ):
        assert await client.get_outbox_stats(GetOutboxStatsRequest()) == GetOutboxStatsResponse()
        with pytest.raises(PermissionMissingError):
            await reader.get_outbox_stats(GetOutboxStatsRequest())
