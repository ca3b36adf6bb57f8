"""The worlds that tests own: a PostgreSQL per worker and form, a database per test, a real server on a real socket."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import grpc.aio
import hypothesis
import pytest

from maitred_client import AsyncMaitredClient
from server.bootstrap import serving
from server.config import Settings, load_settings
from tests.support.postgres import PostgresForm, TestServer, postgres_forms, running_postgres

FORMS = postgres_forms()

# A shell that starts the tests in the background has them ignore SIGINT, and so would every program that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run: a failure found today is there tomorrow, and nobody's change fails by chance.
hypothesis.settings.register_profile("suite", derandomize=True)
hypothesis.settings.load_profile("suite")


# By far the longest files: begun last, each would keep one process busy when the others have nothing left to do.
LONGEST = ("test_faults_at_every_statement.py", "test_cli.py", "test_embedded_postgres.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first; all others stay in their order, which has the short unit tests last."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@dataclass(frozen=True, slots=True)
class Served:
    """A running server, its database, and a tenant that nobody else uses."""

    address: str
    database_url: str
    tenant_id: UUID

    def client(self, actor: str = "tests", tenant_id: UUID | None = None) -> AsyncMaitredClient:
        return AsyncMaitredClient(self.address, tenant_id=tenant_id or self.tenant_id, actor=actor)


@pytest.fixture(scope="session", autouse=True)
def one_grpc_runtime() -> None:
    """gRPC's part for asyncio runs from the first test to the last, as it does in a server.

    Otherwise it would end whenever the last server and channel are collected and start again for the next test: a
    thousand times, each inside of a destructor that joins a thread, at whatever point of the interpreter that happens.
    """

    async def begin() -> None:
        grpc.aio.init_grpc_aio()

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(begin())
    finally:
        loop.close()


@pytest.fixture(scope="session", params=FORMS, ids=str)
def each_postgres(request: pytest.FixtureRequest) -> Iterator[TestServer]:
    """A PostgreSQL of every form that this machine has; whoever asks for it runs once per form."""
    form: PostgresForm = request.param
    with running_postgres(form) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[TestServer]:
    """One PostgreSQL, of the form that a user would get."""
    with running_postgres(FORMS[0]) as server:
        yield server


@pytest.fixture
async def database_url(postgres: TestServer) -> AsyncIterator[str]:
    async with postgres.fresh_database() as url:
        yield url


@pytest.fixture
def settings() -> Settings:
    """One connection is enough to begin with: few tests ask for two things at once."""
    return load_settings(port=0, log_level="warning", pool_size_min=1)


@pytest.fixture
async def server(database_url: str, settings: Settings) -> AsyncIterator[Served]:
    """A real server on a real socket and a database of its own."""
    async with serving(settings, database_url) as running:
        yield Served(running.address, database_url, uuid4())


@pytest.fixture
async def each_server(each_postgres: TestServer, settings: Settings) -> AsyncIterator[Served]:
    """The same on every form of PostgreSQL."""
    async with each_postgres.fresh_database() as url, serving(settings, url) as running:
        yield Served(running.address, url, uuid4())


@pytest.fixture
async def client(server: Served) -> AsyncIterator[AsyncMaitredClient]:
    async with server.client() as connected:
        yield connected
