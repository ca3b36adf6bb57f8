"""A data directory that this user may not use: said in words, whatever was to be done with it."""

from pathlib import Path

import pytest

from server.cli.failures import ExitCode
from server.persistence.embedded import EmbeddedPostgresError
from server.persistence.embedded.locks import owned_elsewhere
from tests.support.programs import run


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """Closed to root as well: a directory cannot be opened as the file that tells who uses the place."""
    (tmp_path / "data" / "owner.lock").mkdir(parents=True)
    return tmp_path / "data"


def test_whoever_may_not_know_who_uses_a_directory_is_told_so(closed: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match=f"cannot tell who uses {closed}: Is a directory"):
        owned_elsewhere(closed)


@pytest.mark.parametrize(
    "command",
    [
        ("doctor",),
        ("migrate", "check"),
        ("migrate", "status"),
        ("verify",),
        ("worker",),
        ("outbox", "pause"),
    ],
)
async def test_every_command_that_looks_at_a_database_says_which_directory_is_closed(
    closed: Path, command: tuple[str, ...]
) -> None:
    ended = await run(*command, "--data-dir", str(closed))
    assert ended.code == ExitCode.NOT_READY
    assert "Traceback" not in ended.err
    assert str(closed) in ended.out + ended.err
