"""The embedded PostgreSQL with real servers, as root and as an ordinary user."""

import asyncio
import os
import pwd
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import asyncpg
import psutil
import pytest

from server.persistence.embedded import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    Installation,
    find_installation,
)
from server.persistence.embedded import layout as layout_module
from server.persistence.embedded.layout import layout_of
from server.persistence.embedded.locks import FileLock
from tests.support.ordinary_user import open_copy_of_the_wheel, ordinary_user
from tests.support.postgres import installations, scratch_directory

REPOSITORY: Final = Path(__file__).parents[2]
AS_ROOT: Final = os.geteuid() == 0
# Starts a server, says its process id, and lives until its input ends or somebody kills it.
HOLDER: Final = """
import asyncio, sys
from pathlib import Path
from server.persistence.embedded import EmbeddedPostgres, find_installation
postgres = EmbeddedPostgres(Path(sys.argv[1]), find_installation(sys.argv[2]))
asyncio.run(postgres.start())
print(postgres.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module", params=installations(), ids=lambda found: f"{found.source}-{found.major}")
def installation(request: pytest.FixtureRequest) -> Installation:
    found: Installation = request.param
    return found


@pytest.fixture
def empty_root() -> Iterator[Path]:
    with scratch_directory() as path:
        yield path


@pytest.fixture
def first_postgres(empty_root: Path, installation: Installation) -> Iterator[EmbeddedPostgres]:
    """Has its data directory still to make."""
    server = EmbeddedPostgres(empty_root, installation)
    yield server
    server.kill()


@pytest.fixture(scope="module")
async def used_root(installation: Installation) -> AsyncIterator[Path]:
    with scratch_directory() as path:
        async with EmbeddedPostgres(path, installation):
            pass
        yield path


@pytest.fixture
def data_root(empty_root: Path, used_root: Path, installation: Installation) -> Path:
    """A copy of what the first start leaves, which takes a fraction of the time that making it takes."""
    data_dir = layout_of(used_root, installation).data_dir
    subprocess.run(["cp", "-a", data_dir, empty_root], check=True)
    return empty_root


@pytest.fixture
def postgres(data_root: Path, installation: Installation) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(data_root, installation)
    yield server
    server.kill()


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        answer: object = await connection.fetchval(question)
    finally:
        await connection.close()
    return answer


async def until_running(url: str, query: str) -> None:
    """Returns when the server works on a query like this one."""
    question = f"SELECT count(*) FROM pg_stat_activity WHERE query LIKE '{query}'"
    async with asyncio.timeout(60):
        while await ask(url, question) != 1:  # noqa: ASYNC110 - the server is another process
            await asyncio.sleep(0.01)


def wait_until_gone(data_root: Path, installation: Installation) -> None:
    """Returns when no process of the server is left: then nobody holds its lock any more."""
    lock = FileLock(layout_of(data_root, installation).running_lock)
    deadline = time.monotonic() + 60
    while not lock.acquire():
        assert time.monotonic() < deadline, "PostgreSQL outlived its parent"
        time.sleep(0.02)
    lock.release()


@contextmanager
def holder(data_root: Path, installation: Installation) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another process with a server of its own in `data_root`, and that server's process id."""
    command = [sys.executable, "-c", HOLDER, str(data_root), installation.source]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline())
        finally:
            process.kill()
            process.wait()
            wait_until_gone(data_root, installation)


async def test_it_is_durable_local_and_speaks_utf8_in_utc(postgres: EmbeddedPostgres) -> None:
    url = await postgres.start()
    expected = {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "listen_addresses": "",
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
        "max_connections": "200",
    }
    assert {name: await ask(url, f"SHOW {name}") for name in expected} == expected
    assert await ask(url, "SELECT datcollate FROM pg_database WHERE datname = current_database()") == "C"
    assert await ask(url, "SELECT current_database()") == "maitred"


async def test_what_was_written_is_there_after_a_restart(postgres: EmbeddedPostgres) -> None:
    url = await postgres.start()
    await execute(url, "CREATE TABLE kept AS SELECT 7 AS number")
    await postgres.stop()
    assert postgres.pid is None
    assert await postgres.start() == url
    assert await ask(url, "SELECT number FROM kept") == 7


async def test_stopping_and_starting_twice_is_harmless(postgres: EmbeddedPostgres) -> None:
    await postgres.stop()
    url = await postgres.start()
    pid = postgres.pid
    assert await postgres.start() == url
    assert postgres.pid == pid
    await postgres.stop()
    await postgres.stop()


async def test_a_crash_keeps_what_was_committed_and_nothing_else(postgres: EmbeddedPostgres) -> None:
    url = await postgres.start()
    await execute(url, "CREATE TABLE kept AS SELECT 7 AS number")
    open_connection = await asyncpg.connect(url)
    await open_connection.execute("BEGIN; INSERT INTO kept VALUES (8)")
    postgres.kill()
    open_connection.terminate()
    await postgres.start()
    assert await ask(url, "SELECT array_agg(number) FROM kept") == [7]


async def test_a_start_ends_the_sessions_that_a_dead_server_left_behind(postgres: EmbeddedPostgres) -> None:
    url = await postgres.start()
    await execute(url, "CREATE TABLE kept AS SELECT 7 AS number")
    busy = await asyncpg.connect(url)
    # It computes without ever waiting, and so does not notice by itself that its server is gone.
    endless = asyncio.create_task(busy.execute("DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$"))
    await until_running(url, "DO %")
    assert postgres.pid is not None
    server = psutil.Process(postgres.pid)
    server.kill()
    await asyncio.to_thread(server.wait, 60)
    await postgres.start()
    assert await ask(url, "SELECT number FROM kept") == 7
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await endless


async def test_a_process_id_left_in_a_file_that_is_now_somebody_elses_does_not_matter(
    postgres: EmbeddedPostgres,
) -> None:
    url = await postgres.start()
    pid_file = postgres.data_dir / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    postgres.kill()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    await postgres.start()
    assert await ask(url, "SELECT 1") == 1


async def test_an_interrupted_initialisation_is_begun_again(
    first_postgres: EmbeddedPostgres, empty_root: Path, installation: Installation
) -> None:
    partial = layout_of(empty_root, installation).partial_data_dir
    partial.mkdir()
    (partial / "PG_VERSION").write_text("half")
    assert await ask(await first_postgres.start(), "SELECT 1") == 1
    assert not partial.exists()


async def test_it_never_outlives_a_parent_that_was_killed(
    data_root: Path, installation: Installation
) -> None:
    with holder(data_root, installation) as (process, _pid):
        process.kill()
        process.wait()
        wait_until_gone(data_root, installation)


async def test_a_killed_parent_leaves_a_directory_that_starts_at_once(
    postgres: EmbeddedPostgres, data_root: Path, installation: Installation
) -> None:
    with holder(data_root, installation) as (process, _pid):
        process.kill()
        process.wait()
        assert await ask(await postgres.start(), "SELECT 1") == 1
        await postgres.stop()


async def test_a_parent_that_just_ends_takes_it_along(data_root: Path, installation: Installation) -> None:
    with holder(data_root, installation) as (process, _pid):
        process.communicate()
        assert process.returncode == 0
        wait_until_gone(data_root, installation)


async def test_ctrl_c_in_the_terminal_does_not_reach_it(postgres: EmbeddedPostgres) -> None:
    await postgres.start()
    assert postgres.pid is not None
    assert os.getsid(postgres.pid) == postgres.pid


async def test_a_second_process_on_the_same_directory_is_told_what_to_do(
    postgres: EmbeddedPostgres, data_root: Path, installation: Installation
) -> None:
    with holder(data_root, installation) as (process, _pid):
        with pytest.raises(EmbeddedPostgresError, match="--data-dir") as refused:
            await postgres.start()
        assert str(data_root) in str(refused.value)
        assert str(process.pid) in str(refused.value)


async def test_a_thread_that_could_end_before_us_may_not_start_it(postgres: EmbeddedPostgres) -> None:
    caught: list[Exception] = []

    def start() -> None:
        try:
            asyncio.run(postgres.start())
        except EmbeddedPostgresError as refused:
            caught.append(refused)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(caught[0])


async def test_a_long_path_gets_a_socket_in_a_short_place(
    installation: Installation, empty_root: Path
) -> None:
    server = EmbeddedPostgres(empty_root / ("long-" * 20) / ("name-" * 10), installation)
    try:
        assert await ask(await server.start(), "SELECT 1") == 1
        await server.stop()
        assert await ask(await server.start(), "SELECT 1") == 1
    finally:
        server.kill()


async def test_only_its_own_account_can_see_data_and_socket(
    postgres: EmbeddedPostgres, data_root: Path
) -> None:
    await postgres.start()
    data = postgres.data_dir
    found = [place.stat() for place in (data, data_root / "run", data.with_suffix(".log"))]
    assert [each.st_mode & 0o077 for each in found] == [0, 0, 0]
    assert 0 not in [each.st_uid for each in found[:2]]


async def test_a_setting_that_postgres_refuses_ends_the_start_with_its_reason(
    postgres: EmbeddedPostgres, data_root: Path, installation: Installation
) -> None:
    server = EmbeddedPostgres(data_root, installation, settings={"shared_buffers": "nonsense"})
    with pytest.raises(EmbeddedPostgresError, match="nonsense"):
        await server.start()
    assert server.pid is None
    assert await ask(await postgres.start(), "SELECT 1") == 1


async def test_progress_is_told(installation: Installation, empty_root: Path) -> None:
    told: list[str] = []
    server = EmbeddedPostgres(empty_root, installation, on_progress=told.append)
    await server.start()
    await server.stop()
    assert [message.split()[0] for message in told] == ["making", "starting"]


@pytest.mark.skipif(not AS_ROOT, reason="only root lends PostgreSQL another account")
async def test_root_is_told_when_the_lent_account_cannot_reach_the_directory(
    installation: Installation, empty_root: Path
) -> None:
    os.chmod(empty_root, 0o700)  # noqa: PTH101 - nothing else runs on this loop
    with pytest.raises(EmbeddedPostgresError, match="--data-dir"):
        await EmbeddedPostgres(empty_root / "inside", installation).start()


@pytest.mark.skipif(not AS_ROOT, reason="only root lends PostgreSQL another account")
async def test_a_wheel_in_a_closed_place_is_copied_for_the_lent_account(
    empty_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = find_installation("wheel")
    package = wheel.bin_dir.parents[1]
    with scratch_directory() as closed, scratch_directory() as copies:
        closed.chmod(0o700)
        monkeypatch.setattr(layout_module, "_SHARED_COPIES", copies / "cache")
        shutil.copytree(wheel.bin_dir.parent, closed / package.name / wheel.bin_dir.parent.name)
        shutil.copytree(package.with_name(f"{package.name}.libs"), closed / f"{package.name}.libs")
        bin_dir = closed / package.name / wheel.bin_dir.parent.name / "bin"
        hidden = Installation(bin_dir, wheel.major, wheel.minor, "wheel")
        for _time in ("copied", "found again"):
            async with EmbeddedPostgres(empty_root, hidden) as server:
                assert await ask(server.url(), "SELECT 1") == 1
        assert len(list(copies.glob("cache/*/*"))) == 1


def test_what_cannot_be_found_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.persistence.embedded.installation._DISTRIBUTION_ROOT", Path("/nowhere"))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EmbeddedPostgresError, match="database_url"):
        find_installation("distribution")
    assert find_installation("auto").source == "wheel"


# Whose the files and processes are, and whom one may signal. The rest is the same for everybody.
DEPENDS_ON_THE_USER: Final = (
    test_what_was_written_is_there_after_a_restart,
    test_a_crash_keeps_what_was_committed_and_nothing_else,
    test_a_start_ends_the_sessions_that_a_dead_server_left_behind,
    test_a_process_id_left_in_a_file_that_is_now_somebody_elses_does_not_matter,
    test_an_interrupted_initialisation_is_begun_again,
    test_it_never_outlives_a_parent_that_was_killed,
    test_a_killed_parent_leaves_a_directory_that_starts_at_once,
    test_a_second_process_on_the_same_directory_is_told_what_to_do,
    test_a_long_path_gets_a_socket_in_a_short_place,
    test_only_its_own_account_can_see_data_and_socket,
)


@pytest.mark.skipif(not AS_ROOT, reason="already an ordinary user")
@pytest.mark.timeout(300)
def test_what_depends_on_the_user_holds_for_an_ordinary_one_too() -> None:
    form = f"wheel-{find_installation('wheel').major}"
    with scratch_directory() as home:
        nobody = pwd.getpwnam("nobody")
        wheel = open_copy_of_the_wheel(home)
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        repeated = [f"{__file__}::{test.__name__}[{form}]" for test in DEPENDS_ON_THE_USER]
        plain_pytest = [sys.executable, "-m", "pytest", "-q", *("-p", "no:cacheprovider", "-p", "no:xdist")]
        outcome = subprocess.run(
            [*ordinary_user(nobody), *plain_pytest, *repeated],
            cwd=REPOSITORY,
            env={
                "PATH": os.defpath,
                "HOME": str(home),
                "TMPDIR": str(home),
                "PYTHONPATH": str(wheel),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert f"{len(DEPENDS_ON_THE_USER)} passed" in outcome.stdout
