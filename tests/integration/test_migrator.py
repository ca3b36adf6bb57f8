"""The migrator on a real database, with small migrations of the tests' own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from server.persistence.migrator import (
    Migration,
    MigrationError,
    Migrator,
    ProblemKind,
    State,
    read_migrations,
)
from server.persistence.migrator import migrator as migrator_module
from server.persistence.migrator.migrator import QUERIES
from tests.support.postgres import TestServer, postgres_forms, running_postgres

FIRST = "CREATE TABLE tea (id integer PRIMARY KEY);\nINSERT INTO tea (id) VALUES (1);\n"
SECOND = "CREATE TABLE cup (id integer PRIMARY KEY);\n"
THIRD = "CREATE TABLE pot (id integer PRIMARY KEY);\n"
CONCURRENT = "-- An index.\n-- maitred: no-transaction\nCREATE INDEX CONCURRENTLY tea_by_id ON tea (id);\n"


@pytest.fixture(scope="module")
def server() -> Iterator[TestServer]:
    with running_postgres(postgres_forms()[0], migrations=()) as running:
        yield running


@pytest.fixture
async def url(server: TestServer) -> AsyncIterator[str]:
    async with server.empty_database() as empty:
        yield empty


@pytest.fixture
async def connection(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    opened = await asyncpg.connect(url)
    yield opened
    await opened.close()


def write(folder: Path, *texts: str) -> tuple[Migration, ...]:
    for number, text in enumerate(texts, start=1):
        (folder / f"{number:04}_step_{number}.sql").write_text(text)
    return read_migrations(folder)


async def test_an_empty_database_gets_every_migration_once_and_in_order(
    url: str, connection: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    migrator = Migrator(url, write(tmp_path, FIRST, SECOND))
    assert [problem.kind for problem in await migrator.check()] == [ProblemKind.PENDING] * 2
    assert [migration.version for migration in await migrator.up()] == [1, 2]
    assert await migrator.up() == []
    assert await migrator.check() == []
    assert await connection.fetchval("SELECT count(*) FROM tea") == 1


async def test_status_and_check_change_nothing(
    url: str, connection: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    migrator = Migrator(url, write(tmp_path, FIRST))
    assert [found.state for found in await migrator.status()] == [State.PENDING]
    await migrator.check()
    assert await connection.fetchval("SELECT to_regclass('schema_migrations')") is None


async def test_a_record_that_is_not_ours_is_told(
    url: str, connection: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    await connection.execute("CREATE TABLE schema_migrations (id integer)")
    migrator = Migrator(url, write(tmp_path, FIRST))
    for look in (migrator.status, migrator.check, migrator.up):
        with pytest.raises(MigrationError, match="the record of the database's migrations is out of reach"):
            await look()


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_database_that_cannot_keep_every_text_is_not_begun_with(
    server: TestServer, connection: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path, encoding: str
) -> None:
    name = f"in_{encoding.lower()}"
    await connection.execute(
        f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    migrator = Migrator(server.url(name), write(tmp_path, FIRST))
    with pytest.raises(MigrationError, match=f"encoding is {encoding}"):
        await migrator.up()
    found = await migrator.check()
    assert [problem.kind for problem in found] == [ProblemKind.PENDING, ProblemKind.ENCODING]
    assert not found[1].blocks_serving
    elsewhere = await asyncpg.connect(server.url(name))
    assert await elsewhere.fetchval("SELECT to_regclass('schema_migrations')") is None
    await elsewhere.close()


async def test_a_target_stops_there_and_the_rest_stays_pending(url: str, tmp_path: Path) -> None:
    migrator = Migrator(url, write(tmp_path, FIRST, SECOND))
    assert [migration.version for migration in await migrator.up(target=1)] == [1]
    first, second = await migrator.status()
    assert (first.state, second.state) == (State.APPLIED, State.PENDING)
    with pytest.raises(MigrationError, match="no migration 9"):
        await migrator.up(target=9)


async def test_two_at_once_both_succeed_and_each_file_is_applied_once(url: str, tmp_path: Path) -> None:
    migrations = write(tmp_path, FIRST + "SELECT pg_sleep(0.3);\n", CONCURRENT, SECOND)
    first, second = await asyncio.gather(Migrator(url, migrations).up(), Migrator(url, migrations).up())
    assert sorted(migration.version for migration in first + second) == [1, 2, 3]
    assert await Migrator(url, migrations).check() == []


async def test_a_lock_that_stays_taken_ends_the_wait_and_names_its_holder(
    url: str, connection: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    assert await connection.fetchval(QUERIES["try_lock"])
    migrator = Migrator(url, write(tmp_path, FIRST), lock_wait_s=0.2)
    with pytest.raises(MigrationError, match=str(connection.get_server_pid())):
        await migrator.up()
    await connection.close()
    assert len(await migrator.up()) == 1


async def test_a_changed_file_that_was_applied_is_refused_and_named(url: str, tmp_path: Path) -> None:
    await Migrator(url, write(tmp_path, FIRST)).up()
    changed = Migrator(url, write(tmp_path, FIRST + "-- later\n", SECOND))
    with pytest.raises(MigrationError, match=r"0001_step_1\.sql"):
        await changed.up()
    states = [found.state for found in await changed.status()]
    assert states == [State.CHANGED, State.PENDING]
    assert ProblemKind.CHANGED in {problem.kind for problem in await changed.check()}


async def test_a_file_that_was_applied_under_another_name_is_not_the_same(url: str, tmp_path: Path) -> None:
    await Migrator(url, write(tmp_path, FIRST)).up()
    (tmp_path / "0001_step_1.sql").rename(tmp_path / "0001_renamed.sql")
    with pytest.raises(MigrationError, match=r"0001_renamed\.sql is not .* applied as 0001_step_1"):
        await Migrator(url, read_migrations(tmp_path)).up()


async def test_other_line_endings_are_the_same_file(url: str, tmp_path: Path) -> None:
    await Migrator(url, write(tmp_path, FIRST)).up()
    (tmp_path / "0001_step_1.sql").write_bytes(FIRST.replace("\n", "\r\n").encode())
    assert await Migrator(url, read_migrations(tmp_path)).check() == []


async def test_a_file_that_fails_leaves_nothing_and_those_before_it_stay(
    url: str, connection: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    migrations = write(tmp_path, FIRST, "CREATE TABLE half (id integer);\nSELECT 1 / 0;\n")
    with pytest.raises(MigrationError, match=r"0002_step_2\.sql.*division by zero"):
        await Migrator(url, migrations).up()
    assert await connection.fetchval("SELECT to_regclass('half')") is None
    assert [found.state for found in await Migrator(url, migrations).status()] == [
        State.APPLIED,
        State.PENDING,
    ]


async def test_a_table_that_stays_locked_ends_a_migration_with_what_to_do(
    url: str,
    connection: "asyncpg.Connection[asyncpg.Record]",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(migrator_module, "_LOCK_TIMEOUT_MS", 10)
    await connection.execute(FIRST)
    async with connection.transaction():
        await connection.execute("LOCK TABLE tea")
        migrations = write(tmp_path, "ALTER TABLE tea ADD COLUMN kind text;\n")
        with pytest.raises(MigrationError, match=r"Something held a lock on a table.*run it again when"):
            await Migrator(url, migrations, lock_wait_s=0.0).up()


async def test_a_migration_lets_others_pass_while_a_table_is_in_use_and_goes_on_then(
    url: str,
    connection: "asyncpg.Connection[asyncpg.Record]",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(migrator_module, "_LOCK_TIMEOUT_MS", 10)
    monkeypatch.setattr(migrator_module, "_LOCK_PAUSE_S", 0.01)
    await connection.execute(FIRST)
    waits, told = asyncio.Event(), list[str]()

    def tell(text: str) -> None:
        told.append(text)
        if "waits for a table that is in use" in text:
            waits.set()

    migrations = write(tmp_path, "ALTER TABLE tea ADD COLUMN kind text;\n")
    async with connection.transaction():
        await connection.execute("LOCK TABLE tea IN ACCESS SHARE MODE")
        migrating = asyncio.create_task(Migrator(url, migrations, on_progress=tell).up())
        await waits.wait()
    assert await migrating == list(migrations)
    assert told[0] == "applying 0001_step_1"


async def test_an_error_names_the_line_of_the_file(url: str, tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="line 3"):
        await Migrator(url, write(tmp_path, FIRST + "SELECT nonsense FROM tea;\n")).up()


async def test_a_file_may_opt_out_of_its_transaction(
    url: str, connection: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    migrations = write(tmp_path, FIRST, CONCURRENT)
    assert [migration.transactional for migration in migrations] == [True, False]
    await Migrator(url, migrations).up()
    assert await connection.fetchval(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'tea_by_id'::regclass"
    )


@pytest.mark.parametrize(
    ("opening", "limits"), [("", ("1s", "10min")), ("-- maitred: no-transaction\n", ("0", "6h"))]
)
async def test_a_schema_change_waits_briefly_for_locks_and_an_index_as_long_as_it_takes(
    url: str,
    connection: "asyncpg.Connection[asyncpg.Record]",
    tmp_path: Path,
    opening: str,
    limits: tuple[str, str],
) -> None:
    seen = "SELECT current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS statement"
    await Migrator(url, write(tmp_path, f"{opening}CREATE TABLE seen AS {seen};\n")).up()
    assert tuple(*await connection.fetch("SELECT * FROM seen")) == limits


async def test_an_index_that_was_never_finished_is_reported(
    url: str, connection: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    twice = FIRST + "CREATE TABLE dup AS SELECT 1 AS id FROM generate_series(1, 2);\n"
    unique = "-- maitred: no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY dup_id ON dup (id);\n"
    migrator = Migrator(url, write(tmp_path, twice, unique))
    with pytest.raises(MigrationError, match="look what it left"):
        await migrator.up()
    found = {problem.kind: problem.message for problem in await migrator.check()}
    assert "dup_id" in found[ProblemKind.INVALID_INDEX]


async def test_a_newer_schema_is_reported_and_does_not_block_serving(url: str, tmp_path: Path) -> None:
    migrations = write(tmp_path, FIRST, SECOND)
    await Migrator(url, migrations).up()
    older = Migrator(url, migrations[:1])
    assert await older.up() == []
    (problem,) = await older.check()
    assert problem.kind is ProblemKind.NEWER
    assert not problem.blocks_serving
    assert "0002_step_2" in problem.message
    assert [found.state for found in await older.status()] == [State.APPLIED, State.UNKNOWN]


async def test_a_number_left_out_by_other_code_stops_everything(
    url: str, connection: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    migrations = write(tmp_path, FIRST, SECOND, THIRD)
    await Migrator(url, migrations).up()
    await connection.execute("DELETE FROM schema_migrations WHERE version = 2")
    with pytest.raises(MigrationError, match="0002_step_2 was never applied although 0003_step_3 was"):
        await Migrator(url, migrations).up()
    assert {problem.kind for problem in await Migrator(url, migrations).check()} == {ProblemKind.GAP}


@pytest.mark.parametrize("form", ["auto", "btree_gist", "core"])
async def test_the_files_read_the_exclusion_form(
    url: str, connection: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path, form: str
) -> None:
    text = "CREATE TABLE chosen AS SELECT current_setting('maitred.exclusion_form') AS form;\n"
    await Migrator(url, write(tmp_path, text), exclusion_form=form).up()  # type: ignore[arg-type]
    assert await connection.fetchval("SELECT form FROM chosen") == form


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("0002_alone.sql", "number 0001"),
        ("1_short.sql", "not named like"),
        ("0001_Loud.sql", "not named like"),
    ],
)
def test_badly_named_files_are_refused(tmp_path: Path, name: str, complaint: str) -> None:
    (tmp_path / name).write_text(SECOND)
    with pytest.raises(MigrationError, match=complaint):
        read_migrations(tmp_path)


def test_two_files_with_one_number_are_refused(tmp_path: Path) -> None:
    for name in ("0001_one.sql", "0001_other.sql"):
        (tmp_path / name).write_text(SECOND)
    with pytest.raises(MigrationError, match="0001_other"):
        read_migrations(tmp_path)


async def test_an_index_that_was_begun_and_never_finished_is_built_again(
    url: str, connection: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    built = (
        "-- maitred: no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS cup_once ON cup (id);\n"
    )
    migrator = Migrator(
        url, write(tmp_path, "CREATE TABLE cup (id integer);\nINSERT INTO cup VALUES (1), (1);\n", built)
    )
    with pytest.raises(MigrationError, match="look what it left"):
        await migrator.up()
    await connection.execute("DELETE FROM cup")
    assert [migration.version for migration in await migrator.up()] == [2]
    assert await migrator.check() == []
    assert await connection.fetchval(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'cup_once'::regclass"
    )


async def test_a_change_that_is_under_way_is_waited_for_and_not_met_halfway(
    url: str, connection: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    """It has locked its restaurant, as each does first, and goes on to the table that the migration begins with."""
    both = "ALTER TABLE tea ADD COLUMN kind text;\nALTER TABLE restaurants ADD COLUMN kind text;\n"
    migrator = Migrator(url, write(tmp_path, FIRST + "CREATE TABLE restaurants (id integer);\n", both))
    await migrator.up(target=1)
    async with connection.transaction():
        await connection.fetch("SELECT id FROM restaurants FOR UPDATE")
        migrating = asyncio.create_task(migrator.up())
        while not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
            assert not migrating.done()
        await connection.execute("UPDATE tea SET id = 2")
    assert [migration.version for migration in await migrating] == [2]
