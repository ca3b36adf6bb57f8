"""A look past the service at what races left behind."""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import Served
from tests.races.behind_faults import Interrupted, interrupted
from tests.support.database import Connection, connected


@pytest.fixture
async def database(server: Served) -> AsyncIterator[Connection]:
    async with connected(server.server_url) as connection:
        yield connection


@pytest.fixture
async def scene(database_url: str) -> AsyncIterator[Interrupted]:
    """A house behind a server of its own, whose statements a plan interrupts; sound in the end."""
    async with interrupted(database_url) as ready:
        yield ready
        await ready.require_sound()
