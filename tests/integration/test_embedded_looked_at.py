"""An embedded database that nothing runs on is started to be looked at, and is then as it was."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.cli.failures import ExitCode
from server.persistence.embedded import EmbeddedPostgres
from tests.support.postgres import installations, scratch_directory
from tests.support.programs import run


@pytest.fixture
async def without_a_schema() -> AsyncIterator[Path]:
    with scratch_directory() as path:
        async with EmbeddedPostgres(path, installations()[0]):
            pass
        yield path


async def test_a_schema_that_is_missing_is_still_missing_after_the_look(without_a_schema: Path) -> None:
    where = ("--data-dir", str(without_a_schema))
    looked = await run("migrate", "check", *where)
    assert looked.code == ExitCode.NOT_READY
    assert "0001_schema" in looked.err
    paused = await run("outbox", "pause", *where)
    assert f"nothing runs on the database in {without_a_schema}" in paused.err
    assert "run: maitred migrate up" in paused.err
    assert paused.code == ExitCode.NOT_READY
