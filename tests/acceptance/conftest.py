"""The house in which most of these tests take place."""

import pytest

from maitred_client import AsyncMaitredClient
from tests.builders.world_extras import House, house


@pytest.fixture
async def place(client: AsyncMaitredClient) -> House:
    return await house(client)
