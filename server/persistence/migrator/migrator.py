"""Applies migrations, one process at a time, each file once."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, Literal, cast

import asyncpg

from server.persistence.failures import CONNECT_ERRORS, not_allowed, unreachable
from server.persistence.hosts import connect_to
from server.persistence.migrator.errors import MigrationError
from server.persistence.migrator.files import Migration
from server.persistence.migrator.inspection import (
    Applied,
    MigrationState,
    Problem,
    ProblemKind,
    changed_or_gap,
    problems,
    states,
)
from server.persistence.pool import DriverConnection as Connection
from server.persistence.pool import close_connection
from server.persistence.queries import load_queries

ExclusionForm = Literal["auto", "btree_gist", "core"]

QUERIES: Final = load_queries("migrator")
_LOCK_POLL_S: Final = 0.1
# A schema change that queues for a table lock blocks everybody behind it, so it gives up soon, lets them pass, and
# tries again.
_LOCK_TIMEOUT_MS: Final = 1_000
_LOCK_PAUSE_S: Final = 1.0
_STATEMENT_TIMEOUT_MS: Final = 600_000
# A concurrent index build waits for every older transaction, as a lock wait, and may take hours.
_UNBOUNDED_LOCK_TIMEOUT_MS: Final = 0
_LONG_STATEMENT_TIMEOUT_MS: Final = 6 * 3_600_000
_CONNECT_TIMEOUT_S: Final = 10.0


class Migrator:
    """The schema of one database. Each call opens and closes a connection of its own.

    `url` has to reach PostgreSQL itself or a session pooler: the lock that keeps two migrators apart belongs
    to a session. `exclusion_form` is what the SQL reads from the setting `maitred.exclusion_form`.
    """

    def __init__(
        self,
        url: str,
        migrations: Sequence[Migration],
        *,
        exclusion_form: ExclusionForm = "auto",
        lock_wait_s: float = 60.0,
        on_progress: Callable[[str], None] | None = None,
    ) -> None:
        self._url = url
        self._migrations = tuple(migrations)
        self._exclusion_form = exclusion_form
        self._lock_wait_s = lock_wait_s
        self._report = on_progress or (lambda _message: None)

    async def up(self, target: int | None = None) -> list[Migration]:
        """Applies what is pending, up to and including version `target`; answers what this call applied.

        Any number of processes may do this at once. Raises `MigrationError` when another one takes too long, an applied
        file was changed, a number was left out, an empty database cannot keep every text, or a file fails; a file that
        fails in its transaction leaves nothing behind, and those before it stay applied.
        """
        self._check_target(target)
        async with self._connection() as connection:
            await self._lock(connection)
            applied = await _applied(connection)
            if problem := changed_or_gap(self._migrations, applied) if applied else _encoding(connection):
                raise MigrationError(problem.message)
            await connection.execute(QUERIES["create_ledger"])
            await connection.fetchval(QUERIES["choose_exclusion_form"], self._exclusion_form)
            pending = [
                migration
                for migration in self._migrations
                if migration.version not in applied and (target is None or migration.version <= target)
            ]
            for migration in pending:
                self._report(f"applying {migration.label}")
                await self._apply_patiently(connection, migration)
        return pending

    async def status(self) -> list[MigrationState]:
        """Every migration that the code or the database knows, in order. Changes nothing."""
        async with self._connection() as connection:
            return states(self._migrations, await _applied(connection))

    async def check(self) -> list[Problem]:
        """What is not in order, nothing when all is well. Changes nothing."""
        async with self._connection() as connection:
            found = problems(self._migrations, await _applied(connection))
            for row in await connection.fetch(QUERIES["list_invalid_indexes"]):
                message = f"index {row['index_name']} was never finished: drop it and build it again"
                found.append(Problem(ProblemKind.INVALID_INDEX, message))
            if problem := _encoding(connection):
                found.append(problem)
        return found

    def _check_target(self, target: int | None) -> None:
        known = [migration.version for migration in self._migrations]
        if target is not None and target not in known:
            raise MigrationError(f"there is no migration {target}; the last one is {max(known, default=0)}")

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            connection = await connect_to(
                self._url,
                timeout=_CONNECT_TIMEOUT_S,
                server_settings={"application_name": "maitred-migrate"},
                # The statements of a migration change what the cached ones were prepared for.
                statement_cache_size=0,
            )
        except CONNECT_ERRORS as failure:
            raise unreachable(failure) from None
        try:
            yield connection
        except asyncpg.InsufficientPrivilegeError as failure:
            raise MigrationError(str(not_allowed(failure))) from failure
        except asyncpg.PostgresError as failure:
            raise MigrationError(
                f"the record of the database's migrations is out of reach: {failure}"
            ) from failure
        finally:
            await close_connection(connection)

    async def _lock(self, connection: Connection) -> None:
        """Polls for the lock: a concurrent index build would wait for a blocked statement. It ends with the session."""
        deadline = time.monotonic() + self._lock_wait_s
        while not await connection.fetchval(QUERIES["try_lock"]):
            if time.monotonic() >= deadline:
                raise MigrationError(await self._who_is_in_the_way(connection))
            await asyncio.sleep(_LOCK_POLL_S)

    async def _apply_patiently(self, connection: Connection, migration: Migration) -> None:
        """Tries again what others were in the way of, for as long as the migration lock is waited for."""
        deadline = time.monotonic() + self._lock_wait_s
        try:
            while True:
                try:
                    return await _apply(connection, migration)
                except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                    if not migration.transactional or time.monotonic() >= deadline:
                        raise
                self._report(f"{migration.label} waits for a table that is in use; calls go on meanwhile")
                await asyncio.sleep(_LOCK_PAUSE_S)
        except asyncpg.PostgresError as failure:
            raise MigrationError(_explain(migration, failure, self._lock_wait_s)) from failure

    async def _who_is_in_the_way(self, connection: Connection) -> str:
        holder = await connection.fetchrow(QUERIES["lock_holder"])
        who = "another session"
        if holder is not None:
            where = holder["client_addr"] or "a local socket"
            who = f"server process {holder['pid']} ({holder['application_name'] or 'unnamed'} from {where})"
        return (
            f"{who} has held the migration lock for more than {self._lock_wait_s:.0f} s: wait until its "
            "migration is done and try again, or end that session if it is stuck"
        )


async def _applied(connection: Connection) -> Mapping[int, Applied]:
    if not await connection.fetchval(QUERIES["ledger_exists"]):
        return {}
    rows = await connection.fetch(QUERIES["list_applied"])
    return {row["version"]: Applied(**dict(row)) for row in rows}


def _encoding(connection: Connection) -> Problem | None:
    """Names and notes may have any characters. Other encodings lack some, or count their bytes."""
    encoding = connection.get_settings().server_encoding
    if encoding == "UTF8":
        return None
    return Problem(
        ProblemKind.ENCODING,
        f"the database's encoding is {encoding}, which does not keep every text: make one with CREATE DATABASE … "
        "ENCODING 'UTF8' TEMPLATE template0",
    )


async def _apply(connection: Connection, migration: Migration) -> None:
    started = time.monotonic()
    if not migration.transactional:
        await _limit_waits(connection, _UNBOUNDED_LOCK_TIMEOUT_MS, _LONG_STATEMENT_TIMEOUT_MS)
        await _drop_unfinished(connection, migration)
        await connection.execute(migration.sql)
        await _record(connection, migration, started)
        return
    await _limit_waits(connection, _LOCK_TIMEOUT_MS, _STATEMENT_TIMEOUT_MS)
    transaction = connection.transaction()
    await transaction.start()
    try:
        await _keep_changes_out(connection)
        await connection.execute(migration.sql)
        await _record(connection, migration, started)
    except asyncpg.PostgresError:
        # Anything else is rolled back by the end of its session: a database that says nothing could not be asked to.
        await transaction.rollback()
        raise
    await transaction.commit()


async def _keep_changes_out(connection: Connection) -> None:
    """Changes and migrations lock several tables each, and not in the same order."""
    if await connection.fetchval(QUERIES["restaurants_exist"]):
        await connection.execute(QUERIES["keep_changes_out"])


async def _drop_unfinished(connection: Connection, migration: Migration) -> None:
    """An index that this migration began and never finished would pass for the one that it is to build."""
    for row in await connection.fetch(QUERIES["list_invalid_indexes"]):
        if re.search(rf"\b{re.escape(row['index_name'])}\b", migration.sql):
            await connection.execute(
                await connection.fetchval(QUERIES["drop_index_statement"], row["index_name"])
            )


async def _limit_waits(connection: Connection, lock_timeout_ms: int, statement_timeout_ms: int) -> None:
    await connection.fetchval(QUERIES["limit_waits"], str(lock_timeout_ms), str(statement_timeout_ms))


async def _record(connection: Connection, migration: Migration, started: float) -> None:
    duration_ms = round((time.monotonic() - started) * 1000)
    await connection.execute(
        QUERIES["record_applied"], migration.version, migration.name, migration.checksum, duration_ms
    )


def _explain(migration: Migration, failure: asyncpg.PostgresError, waited_s: float) -> str:
    what = f"{migration.label}.sql failed: {failure}"
    if isinstance(failure, asyncpg.LockNotAvailableError):
        return (
            f"{what}. Something held a lock on a table for more than {waited_s:.0f} s, such as a backup or a look "
            "at all data; nothing was changed, run it again when that is over"
        )
    if isinstance(failure, asyncpg.DeadlockDetectedError):
        return f"{what}. Something that ran meanwhile was in the way; nothing was changed, run it again"
    position = cast("str | None", getattr(failure, "position", None))
    if position is not None and position.isdigit():
        line = migration.sql[: int(position) - 1].count("\n") + 1
        what = f"{what} (line {line})"
    state = (
        "nothing of it was kept" if migration.transactional else "it has no transaction, look what it left"
    )
    return f"{what}; {state}"
