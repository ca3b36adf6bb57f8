"""The worlds that tests own: a PostgreSQL per worker and form, and a real server on a real socket.

Each test has a database and a server to itself, except in modules marked `shared_server`: their tests look through the
client or at their own rows only, so that each is a tenant of one server. In such a module a test that looks at more is
marked `own_server`. All tests of a process run on one event loop.
"""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from uuid import UUID, uuid4

import grpc.aio
import hypothesis
import pytest
import uvloop

from maitred_client import AsyncMaitredClient
from server import news
from server.bootstrap import serving
from server.config import Settings, load_settings
from server.lifecycle import keep_what_is_there
from tests.builders.world import CALL_TIMEOUT_S, World, small_world
from tests.builders.world_extras import House, house
from tests.support.kept import RememberedDiaries
from tests.support.own_rows import make_views, url_of_own_rows
from tests.support.postgres import PostgresForm, TestServer, postgres_forms, running_postgres

FORMS = postgres_forms()

# A shell that starts the tests in the background has them ignore SIGINT, and so would every program that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What somebody has set for a server, a database or a terminal of their own does not decide what the tests see.
FOREIGN = ("MAITRED_", "PG", "COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR")
for name in [name for name in os.environ if name.startswith(FOREIGN)]:
    del os.environ[name]

# However the tests are ended, they take away what they have started and what they keep in memory.
for number in (signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_DFL:
        signal.signal(number, signal.default_int_handler)

# The same examples in every run: a failure found today is there tomorrow, and nobody's change fails by chance. Nor does
# it because an example takes long on a busy machine.
hypothesis.settings.register_profile(
    "suite", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("suite")


# Begun last, each of these files would keep one process busy, or waiting, when the others have nothing left to do.
LONGEST = (
    "test_faults_at_every_statement.py",
    "test_cli.py",
    "test_embedded_postgres.py",
    "test_cli_commands.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first. Of the others pytest takes what needs a loop before what needs none."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_collection_finish() -> None:
    """Thousands of tests stay to the end, and the collector need not look at them again and again.

    Hypothesis leaves it much of each example, which is collected soonest while the processor still has it at hand.
    """
    keep_what_is_there()
    gc.set_threshold(2_000, 10, 50)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What is marked `each_way_of_writing` runs where changes can share a transaction and where they never do."""
    if metafunc.definition.get_closest_marker("each_way_of_writing") and "server" in metafunc.fixturenames:
        metafunc.parametrize("server", ("shared_server", "shared_lonely_server"), indirect=True)


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that servers, workers and commands run on, or Python's own for what is marked `plain_loop`.

    A test that is no coroutine and has a fixture that is one would have the session's loop made anew.
    """
    plain = item.get_closest_marker("plain_loop") is not None
    return {"loop": asyncio.new_event_loop if plain else uvloop.new_event_loop}


@pytest.fixture(scope="session", autouse=True)
def _forgetful_servers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(news, "CachedDiaries", RememberedDiaries)
        yield


@pytest.fixture
def hangups_heard() -> Iterator[None]:
    """The end of a terminal is told to this process and to those that it starts, even where nohup has it ignored."""
    before = signal.signal(signal.SIGHUP, signal.default_int_handler)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def only_own_garbage() -> None:
    """A test that looks what is told of its own garbage is told nothing of what other tests left behind."""
    gc.collect()


@dataclass(frozen=True, slots=True)
class Served:
    """A running server, its database, and a tenant that nobody else uses."""

    address: str
    server_url: str
    """Of the database as the server has it."""
    tenant_id: UUID
    shared: bool = False

    @property
    def database_url(self) -> str:
        """Of the database as the test may look at it: a shared one shows the rows of the tenant and no others."""
        return url_of_own_rows(self.server_url, self.tenant_id) if self.shared else self.server_url

    @property
    def where(self) -> tuple[str, ...]:
        """The options by which a command asks this server about this tenant."""
        return ("--address", self.address, "--tenant", str(self.tenant_id))

    def client(self, actor: str = "tests", tenant_id: UUID | None = None) -> AsyncMaitredClient:
        return AsyncMaitredClient(
            self.address, tenant_id=tenant_id or self.tenant_id, actor=actor, timeout_s=CALL_TIMEOUT_S
        )


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


@pytest.fixture(scope="session")
def postgres_of() -> Iterator[Callable[[PostgresForm], TestServer]]:
    """The PostgreSQL of a form: started when somebody first asks for it, and stopped after the last test."""
    with ExitStack() as running:
        yield cache(lambda form: running.enter_context(running_postgres(form)))


@pytest.fixture(scope="module", params=FORMS, ids=str)
def each_postgres(
    request: pytest.FixtureRequest, postgres_of: Callable[[PostgresForm], TestServer]
) -> TestServer:
    """A PostgreSQL of every form that this machine has; whoever asks for it runs once per form."""
    return postgres_of(request.param)


@pytest.fixture(scope="session")
def postgres(postgres_of: Callable[[PostgresForm], TestServer]) -> TestServer:
    """One PostgreSQL, of the form that a user would get."""
    return postgres_of(FORMS[0])


@pytest.fixture
async def database_url(postgres: TestServer) -> AsyncIterator[str]:
    async with postgres.fresh_database() as url:
        yield url


@pytest.fixture
def settings() -> Settings:
    """One connection is enough to begin with: few tests ask for two things at once."""
    return load_settings(port=0, log_level="warning", pool_size_min=1)


@pytest.fixture
async def own_server(database_url: str, settings: Settings) -> AsyncIterator[Served]:
    """A real server on a real socket and a database of its own."""
    async with serving(settings, database_url) as running:
        yield Served(running.address, database_url, uuid4())


@pytest.fixture(scope="session")
async def shared_database(postgres: TestServer) -> AsyncIterator[str]:
    async with postgres.fresh_database() as url:
        await make_views(url)
        yield url


@pytest.fixture(scope="session")
async def shared_address(shared_database: str) -> AsyncIterator[str]:
    """A server for all tests that leave it as good as they found it."""
    settings = load_settings(port=0, log_level="warning", pool_size_min=1)
    async with serving(settings, shared_database) as running:
        yield running.address


@pytest.fixture
def shared_server(shared_database: str, shared_address: str) -> Served:
    """That server, for a tenant whom only this test knows: it finds nothing there but what it brings."""
    return Served(shared_address, shared_database, uuid4(), shared=True)


@pytest.fixture(scope="session")
async def shared_lonely_address(shared_database: str) -> AsyncIterator[str]:
    """The same, where every change has a transaction to itself."""
    settings = load_settings(port=0, log_level="warning", pool_size_min=1, group_members_max=1)
    async with serving(settings, shared_database) as running:
        yield running.address


@pytest.fixture
def shared_lonely_server(shared_database: str, shared_lonely_address: str) -> Served:
    return Served(shared_lonely_address, shared_database, uuid4(), shared=True)


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Served:
    """The test's own server, or the shared one where the module is marked `shared_server`."""
    own, shared = map(request.node.get_closest_marker, ("own_server", "shared_server"))
    shares = shared is not None and own is None
    chosen = getattr(request, "param", "shared_server" if shares else "own_server")
    served: Served = request.getfixturevalue(chosen)
    return served


@pytest.fixture(scope="module")
async def server_on_each(each_postgres: TestServer) -> AsyncIterator[Served]:
    settings = load_settings(port=0, log_level="warning", pool_size_min=1)
    async with each_postgres.fresh_database() as url, serving(settings, url) as running:
        yield Served(running.address, url, uuid4())


@pytest.fixture
def each_server(server_on_each: Served) -> Served:
    """The module's server on every form of PostgreSQL, for a tenant whom only this test knows."""
    return replace(server_on_each, tenant_id=uuid4())


@pytest.fixture
async def client(server: Served) -> AsyncIterator[AsyncMaitredClient]:
    async with server.client() as connected:
        yield connected


@pytest.fixture
async def world(client: AsyncMaitredClient) -> World:
    return await small_world(client)


@pytest.fixture
async def place(client: AsyncMaitredClient) -> House:
    return await house(client)
