"""The PostgreSQL that a process runs itself, when it dies."""

import asyncio
import errno
import os
import signal

import pytest

from server import bootstrap
from server.config import load_settings
from server.persistence.embedded import EmbeddedPostgres, EmbeddedPostgresError
from tests.support.database import rows
from tests.support.postgres import scratch_directory


async def test_a_database_that_dies_is_started_again_however_often_and_why_ever_that_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bootstrap, "EMBEDDED_WATCH_S", 0.01)
    start, started = EmbeddedPostgres.start, asyncio.Event()
    failures = [
        OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
        EmbeddedPostgresError("somebody else uses it"),
    ]

    async def start_in_the_end(postgres: EmbeddedPostgres) -> str:
        if failures:
            raise failures.pop()
        url = await start(postgres)
        started.set()
        return url

    with scratch_directory() as data_root:
        settings = load_settings(data_dir=data_root, log_level="error")
        async with bootstrap.database(settings, migrated=False) as found:
            monkeypatch.setattr(EmbeddedPostgres, "start", start_in_the_end)
            (server,) = await rows(found.url, "SELECT pg_read_file('postmaster.pid') AS told")
            os.kill(int(str(server["told"]).split()[0]), signal.SIGKILL)
            async with asyncio.timeout(60):
                await started.wait()
            assert await rows(found.url, "SELECT 1 AS one") == [{"one": 1}]
