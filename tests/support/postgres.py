"""Real PostgreSQL servers for tests: one per process and form, and a fresh database per test.

The server is a child process and belongs to no event loop, so a session fixture can own it::

    @pytest.fixture(scope="session", params=postgres_forms(), ids=str)
    def postgres(request):
        with running_postgres(request.param) as server:
            yield server

    @pytest.fixture
    async def database_url(postgres):
        async with postgres.fresh_database() as url:
            yield url
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import asyncpg

from server.persistence.embedded import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    Installation,
    Source,
    find_installation,
)
from server.persistence.migrator import ExclusionForm, Migration, Migrator, find_migrations, read_migrations
from tests.support.stock import DatabaseStock

_TEMPLATE: Final = "maitred_template"
_SHARED_MEMORY: Final = Path("/dev/shm")
_MEMORY_BYTES_MIN: Final = 4 * 2**30
# Nothing here survives a power cut anyway; killing processes loses nothing without fsync either.
_TEST_SETTINGS: Final = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}


@dataclass(frozen=True, slots=True)
class PostgresForm:
    """Where the server comes from, and how its schema excludes overlaps."""

    installation: Installation
    exclusion_form: ExclusionForm

    def __str__(self) -> str:
        return f"{self.installation.source}-{self.exclusion_form}"


@cache
def installed(source: Source) -> Installation | None:
    """The installation of this source, None when the machine has none."""
    try:
        return find_installation(source)
    except EmbeddedPostgresError:
        return None


def installations() -> list[Installation]:
    """Every source this machine has. The wheel is a dependency of ours, so it has to be there."""
    distribution, wheel = installed("distribution"), find_installation("wheel")
    return [wheel] if distribution is None else [distribution, wheel]


def postgres_forms() -> list[PostgresForm]:
    """The forms to test: the wheel with the core form, and with btree_gist where a distribution brings it."""
    forms = [PostgresForm(find_installation("wheel"), "core")]
    distribution = installed("distribution")
    if distribution is not None and _has_btree_gist(distribution):
        forms.insert(0, PostgresForm(distribution, "btree_gist"))
    return forms


def _has_btree_gist(found: Installation) -> bool:
    """Debian keeps what does not depend on the processor apart from the programs."""
    shares = (found.bin_dir.parent / "share", Path("/usr/share/postgresql") / str(found.major))
    return any(True for share in shares for _ in share.rglob("btree_gist.control"))


class TestServer:
    """A running server with a migrated template, from which each test gets a database of its own."""

    __test__ = False

    def __init__(self, postgres: EmbeddedPostgres, form: PostgresForm) -> None:
        self.postgres = postgres
        self.form = form
        self._stock = DatabaseStock(self.url)

    def url(self, database: str = "postgres") -> str:
        return self.postgres.url(database)

    @asynccontextmanager
    async def fresh_database(self) -> AsyncIterator[str]:
        """The URL of a migrated database that nobody else has; dropped afterwards, connections or not."""
        async with self._database(_TEMPLATE) as url:
            yield url

    @asynccontextmanager
    async def empty_database(self) -> AsyncIterator[str]:
        """The URL of a database without any schema; dropped afterwards."""
        async with self._database("template0") as url:
            yield url

    async def make_template(self, migrations: Sequence[Migration]) -> None:
        """Migrates the database that the fresh ones are copies of, and closes it to connections."""
        await self._execute(f"CREATE DATABASE {_TEMPLATE} TEMPLATE template0")
        await Migrator(self.url(_TEMPLATE), migrations, exclusion_form=self.form.exclusion_form).up()
        await self._execute(f"ALTER DATABASE {_TEMPLATE} WITH ALLOW_CONNECTIONS false")

    @contextmanager
    def with_stock(self) -> Iterator[None]:
        """Databases are to be had inside this block."""
        self._stock.open()
        try:
            yield
        finally:
            self._stock.close()

    @asynccontextmanager
    async def _database(self, template: str) -> AsyncIterator[str]:
        name = await self._stock.take(template)
        try:
            yield self.url(name)
        finally:
            self._stock.give_back(name)

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextmanager
def running_postgres(
    form: PostgresForm, migrations: Sequence[Migration] | None = None
) -> Iterator[TestServer]:
    """A server of this form, its template made from `migrations`, by default the project's own."""
    with scratch_directory() as data_root:
        postgres = EmbeddedPostgres(data_root, form.installation, settings=_TEST_SETTINGS)
        server = TestServer(postgres, form)
        try:
            _run(postgres.start())
            _run(server.make_template(_own_migrations() if migrations is None else migrations))
            with server.with_stock():
                yield server
        finally:
            # The data is thrown away, so nothing is worth a checkpoint.
            postgres.kill()


@contextmanager
def scratch_directory(*, on_disk: bool = False) -> Iterator[Path]:
    """A directory that the server's account can reach, unlike pytest's own, which is closed to others.

    It lies in memory where there is plenty, because making and dropping databases is mostly making and dropping
    files; whoever measures asks for the disk.
    """
    path = Path(tempfile.mkdtemp(prefix="maitred-test-", dir=None if on_disk else _in_memory()))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path)


def _in_memory() -> Path | None:
    """The file system in memory, if this machine has one with room for several servers."""
    if not os.access(_SHARED_MEMORY, os.W_OK | os.X_OK):
        return None
    return _SHARED_MEMORY if shutil.disk_usage(_SHARED_MEMORY).free >= _MEMORY_BYTES_MIN else None


def _own_migrations() -> tuple[Migration, ...]:
    return read_migrations(find_migrations())


def _run(work: Coroutine[object, object, object]) -> None:
    """Runs it to its end, which it has when it is interrupted, too; leaves the thread's event loop alone."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(work)
