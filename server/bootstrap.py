"""Builds every part once. The only file that knows them all."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from uuid import uuid4

import structlog
from opentelemetry.metrics import MeterProvider

from server.config import Settings
from server.lifecycle import ConfigurationProblem, Grace, Lifecycle, Part, closing_part, say_nothing
from server.news import News, pool_settings
from server.orchestrator.use_cases import UseCases
from server.orchestrator.watch_floor import WatchFloor
from server.part_settings import hold_limits, log_form, rpc_settings, store_settings
from server.persistence.announcer import Announcer
from server.persistence.embedded import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    find_installation,
)
from server.persistence.failures import NotAllowedError, UnreachableError
from server.persistence.inspection import database_facts
from server.persistence.migrator import (
    MigrationError,
    MigrationState,
    Migrator,
    Problem,
    find_migrations,
    read_migrations,
)
from server.persistence.pool import DriverConnection, Pool, close_pool, open_pool
from server.persistence.store import NotMigratedError, SqlStore, require_schema
from server.rpc.server import GrpcServer
from server.telemetry.logs import configure_logs
from server.telemetry.traces import Traces, UnknownExporterError
from server.worker import RunningWorker, Worker

log = structlog.get_logger(__name__)

EMBEDDED_WATCH_S = 0.5
SESSION_NEEDED = (
    "{} tied to its database session, and MAITRED_STATEMENT_CACHE_SIZE=0 says that a transaction pooler gives it to "
    "others. Give the {} a MAITRED_DATABASE_URL that reaches PostgreSQL itself, and leave MAITRED_STATEMENT_CACHE_SIZE "
    "out"
)


class StartError(Exception):
    """Something cannot start as things are; the text says what and what to do."""


@dataclass(frozen=True, slots=True)
class Database:
    """A database that answers. `source` is "configured", "distribution" or "wheel"."""

    url: str
    version: str
    source: str


class RunningServer:
    """A server that listens at `address`."""

    def __init__(self, server: GrpcServer, lifecycle: Lifecycle) -> None:
        self._server = server
        self._lifecycle = lifecycle

    @property
    def address(self) -> str:
        return self._server.address

    async def wait(self, ready: Callable[[], None] = say_nothing) -> None:
        """Until a stop signal. A second one cuts the drain short. `ready` says that they are looked out for."""
        await self._lifecycle.wait_for_signal(ready)

    async def drain(self) -> None:
        """Takes no new calls, finishes what runs, and stops. Twice is harmless."""
        await self._lifecycle.stop()


@asynccontextmanager
async def database(
    settings: Settings, on_progress: Callable[[str], None] | None = None, *, migrated: bool = True
) -> AsyncIterator[Database]:
    """The configured database, or an embedded one that is started, migrated, kept alive and stopped again.

    Not `migrated`, the embedded one is left as it is. Raises `StartError`.
    """
    if settings.database_url is not None:
        yield await _described(settings, settings.database_url.get_secret_value(), "configured")
        return
    with explaining():
        installation = find_installation(settings.postgres)
        postgres = EmbeddedPostgres(settings.data_dir, installation, on_progress=on_progress)
    try:
        with explaining():
            url = await postgres.start()
            if migrated:
                await migrate_up(settings, url, on_progress)
        keeper = asyncio.create_task(_keep_alive(postgres))
        try:
            yield await _described(settings, url, installation.source)
        finally:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
    finally:
        await postgres.stop()


@asynccontextmanager
async def serving(
    settings: Settings, url: str, connection_class: type[DriverConnection] | None = None
) -> AsyncIterator[RunningServer]:
    """A server on this database, drained when the block is left.

    `connection_class` replaces the driver's, so that a fault can be put between two statements. Raises `StartError`.
    """
    configure_logs(log_form(settings), settings.log_level)
    with explaining():
        traces = Traces(settings.trace_exporter, version("maitred"))
        pool = await _open_pool(settings, url, connection_class)
        store, news = _store_and_news(settings, url, pool)
        server = GrpcServer(rpc_settings(settings), _use_cases(settings, store, news), traces.provider)
        lifecycle = _lifecycle(settings, pool, store, server, traces, news)
        await lifecycle.start()
    try:
        yield RunningServer(server, lifecycle)
    finally:
        await lifecycle.stop()


@asynccontextmanager
async def working(
    settings: Settings, url: str, meters: MeterProvider | None = None
) -> AsyncIterator[RunningWorker]:
    """A worker on this database, stopped when the block is left. Raises `StartError`.

    What it measures goes to `meters`, or to what is installed for the whole process.
    """
    configure_logs(log_form(settings), settings.log_level)
    _require_session(settings, "a worker's leases are", "worker")
    with explaining():
        pool = await _open_pool(settings, url, None)
        store, news = _store_and_news(settings, url, pool)
        auto_assign = _use_cases(settings, store, news).auto_assign
        worker = Worker.of(settings, url, pool, store, auto_assign, meters)
        news.listener.tell(worker.hearer())
        parts = (closing_part("pool", lambda: close_pool(pool)), *news.parts(), *worker.parts())
        lifecycle = Lifecycle(parts, settings.drain_s)
        await lifecycle.start()
    try:
        yield RunningWorker(worker.health.address, lifecycle.wait_for_signal)
    finally:
        await lifecycle.stop()


async def migrate_up(settings: Settings, url: str, on_progress: Callable[[str], None] | None = None) -> None:
    """Applies what is pending. Raises `StartError`."""
    _require_session(settings, "the lock that keeps two migrations apart is", "migration")
    with explaining():
        await _migrator(settings, url, on_progress).up()


def _require_session(settings: Settings, what: str, whom: str) -> None:
    if settings.database_url is not None and settings.statement_cache_size == 0:
        raise StartError(SESSION_NEEDED.format(what, whom))


async def migration_status(settings: Settings, url: str) -> list[MigrationState]:
    with explaining():
        return await _migrator(settings, url).status()


async def migration_check(settings: Settings, url: str) -> tuple[Problem, ...]:
    """What somebody should know of the schema."""
    with explaining():
        return tuple(await _migrator(settings, url).check())


@asynccontextmanager
async def seen_database(
    settings: Settings, on_started: Callable[[str], None] = lambda _text: None, *, migrated: bool = False
) -> AsyncIterator[Database]:
    """The database to look at: that of a maitred which is already running here, or the one that would be used.

    `on_started` hears of one that nothing runs on. It stays as it is, unless it shall be `migrated`. Raises
    `StartError`, also where there is none yet: whoever looks at a database does not want an empty one.
    """
    if settings.database_url is None:
        with explaining():
            installation = find_installation(settings.postgres)
            embedded = EmbeddedPostgres(settings.data_dir, installation)
            running = embedded.url_elsewhere()
        if running is not None:
            yield await _described(settings, running, installation.source)
            return
        if not embedded.data_dir.exists():
            raise StartError(
                f"there is no database in {embedded.data_dir}: maitred dev and maitred serve make one; name another "
                "place with --data-dir, or a database with --database-url"
            )
        on_started(
            f"nothing runs on the database in {embedded.data_dir}; it is started for this command alone"
        )
    async with database(settings, migrated=migrated) as found:
        yield found


def _use_cases(settings: Settings, store: SqlStore, news: News) -> UseCases:
    watch_floor = WatchFloor(news.floor_log, news.feed)
    return UseCases.on(
        store,
        news.inventories,
        news.diaries,
        uuid4,
        hold_limits(settings),
        settings.answer_margin_s,
        watch_floor,
    )


def _lifecycle(
    settings: Settings, pool: Pool, store: SqlStore, server: GrpcServer, traces: Traces, news: News
) -> Lifecycle:
    """Stopped from the last to the first: no call is in work any more when its connections are closed."""
    watch: list[asyncio.Task[None]] = []

    async def start_traces() -> None:
        traces.start()

    async def stop_traces(_: Grace) -> None:
        await asyncio.to_thread(traces.stop)

    async def start_watch() -> None:
        watch.append(asyncio.create_task(_watch_database(store, server, settings.health_interval_s)))

    async def stop_watch(_: Grace) -> None:
        for task in watch:
            task.cancel()

    parts = (
        Part("traces", start_traces, stop_traces),
        closing_part("pool", lambda: close_pool(pool)),
        *news.parts(),
        Part("server", server.start, server.stop),
        Part("database watch", start_watch, stop_watch),
        # Stopped first: watchers are sent to another process before this one closes its doors.
        news.feed_part(),
    )
    return Lifecycle(parts, settings.drain_s)


async def _watch_database(store: SqlStore, server: GrpcServer, interval_s: float) -> None:
    """Health says NOT_SERVING for as long as the database is away, from the start on."""
    there = True
    while True:
        problem = await store.why_away()
        answers = problem is None
        if answers != there:
            if answers:
                log.warning("database_is_back")
            else:
                log.warning("database_is_away", problem=problem)
            await server.set_serving(answers)
        there = answers
        await asyncio.sleep(interval_s)


async def _keep_alive(postgres: EmbeddedPostgres) -> None:
    """Starts the embedded PostgreSQL again when it has died, as often as it takes; it recovers everything that was
    committed.
    """
    while True:
        await asyncio.sleep(EMBEDDED_WATCH_S)
        if postgres.pid is None:
            log.warning("embedded_postgres_died", log_file=str(postgres.log_file))
            try:
                await postgres.start()
            except Exception as problem:  # noqa: BLE001 - whatever it is, it may pass
                log.error("embedded_postgres_did_not_start", problem=str(problem))


async def _open_pool(settings: Settings, url: str, connection_class: type[DriverConnection] | None) -> Pool:
    wanted = pool_settings(settings, url)
    pool = await (open_pool(wanted, connection_class) if connection_class else open_pool(wanted))
    try:
        async with _answering(settings):
            await require_schema(pool)
            await require_current_schema(settings, url)
    except BaseException:
        await close_pool(pool)
        raise
    return pool


async def require_current_schema(settings: Settings, url: str) -> None:
    """Code meets newer schemas while it is replaced, and none that lacks what it reads and writes."""
    for problem in await _migrator(settings, url).check():
        if problem.blocks_serving:
            raise NotMigratedError(f"the schema is not the one that this version needs: {problem.message}")


def _store_and_news(settings: Settings, url: str, pool: Pool) -> tuple[SqlStore, News]:
    announcer = Announcer(pool, settings.announce_interval_s)
    store = SqlStore(pool, store_settings(settings), announcer.announce)
    return store, News.of(settings, url, pool, announcer, store.catalogue)


async def _described(settings: Settings, url: str, source: str) -> Database:
    with explaining():
        async with _answering(settings):
            facts = await database_facts(url)
    return Database(url, facts.version, source)


@asynccontextmanager
async def _answering(settings: Settings) -> AsyncIterator[None]:
    """A database that took the connection and says nothing is as good as away. Raises `UnreachableError`."""
    try:
        async with asyncio.timeout(settings.deadline_s_max):
            yield
    except TimeoutError:
        raise UnreachableError(f"it did not answer within {settings.deadline_s_max:g} s") from None


def _migrator(settings: Settings, url: str, on_progress: Callable[[str], None] | None = None) -> Migrator:
    migrations = read_migrations(find_migrations())
    return Migrator(url, migrations, exclusion_form=settings.exclusion_form, on_progress=on_progress)


@contextlib.contextmanager
def explaining() -> Iterator[None]:
    """What a person can do something about becomes a `StartError`."""
    try:
        yield
    except (ConfigurationProblem, NotAllowedError) as problem:
        raise StartError(str(problem)) from None
    except UnreachableError as problem:
        raise StartError(f"the database cannot be reached: {problem}; check MAITRED_DATABASE_URL") from None
    except UnknownExporterError as problem:
        raise StartError(f"{problem}; check MAITRED_TRACE_EXPORTER") from None
    except (EmbeddedPostgresError, MigrationError, NotMigratedError) as problem:
        raise StartError(str(problem)) from None
