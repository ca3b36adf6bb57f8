"""A data directory that this user may not use, or that has no database: said in words, whatever was to be done."""

import os
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.cli.failures import ExitCode
from server.persistence.embedded import EmbeddedPostgres, EmbeddedPostgresError, find_installation
from server.persistence.embedded.account import choose_account, shared_copy
from server.persistence.embedded.layout import layout_of, prepare_data_root
from server.persistence.embedded.locks import owned_elsewhere
from tests.support.postgres import scratch_directory
from tests.support.programs import run


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """Closed to root as well: a directory cannot be opened as the file that tells who uses the place."""
    (tmp_path / "data" / "owner.lock").mkdir(parents=True)
    return tmp_path / "data"


def test_whoever_may_not_know_who_uses_a_directory_is_told_so(closed: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match=f"cannot tell who uses {closed}: Is a directory"):
        owned_elsewhere(closed)


async def test_a_file_that_cannot_be_opened_ends_the_start_with_its_reason() -> None:
    with scratch_directory() as data_root:
        postgres = EmbeddedPostgres(data_root, find_installation())
        layout_of(data_root, find_installation()).running_lock.mkdir()
        with pytest.raises(EmbeddedPostgresError, match=r"Is a directory.*\.lock"):
            await postgres.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends an account")
def test_a_directory_that_root_has_made_closed_lets_the_account_pass_that_it_lends() -> None:
    with scratch_directory() as data_root:
        data_root.chmod(0o700)
        prepare_data_root(data_root, choose_account(data_root))
        assert stat.S_IMODE(data_root.stat().st_mode) == 0o711


@pytest.fixture
def closing_umask() -> Iterator[None]:
    """What root makes is closed to others, as on machines that were hardened."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends an account")
@pytest.mark.usefixtures("closing_umask")
def test_the_account_that_root_lends_reaches_what_was_made_for_it_whatever_the_umask() -> None:
    with scratch_directory() as home:
        account = choose_account(home / "new" / "data")
        prepare_data_root(home / "new" / "data", account)
        (home / "tree" / "bin").mkdir(parents=True)
        shutil.copy("/usr/bin/env", home / "tree" / "bin")
        copied = shared_copy(home / "tree", home / "libraries", home / "cache" / "wheel" / "1")
        assert account.runs(copied / "bin" / "env", "true")


LOOKING = (
    ("doctor",),
    ("migrate", "check"),
    ("migrate", "status"),
    ("verify",),
    ("worker",),
    ("outbox", "pause"),
    ("outbox", "switches"),
)


@pytest.mark.parametrize("command", LOOKING)
async def test_every_command_that_looks_at_a_database_says_which_directory_is_closed(
    closed: Path, command: tuple[str, ...]
) -> None:
    ended = await run(*command, "--data-dir", str(closed))
    assert ended.code == ExitCode.NOT_READY
    assert "Traceback" not in ended.err
    assert str(closed) in ended.out + ended.err


@pytest.mark.parametrize("command", LOOKING)
async def test_no_command_that_looks_at_a_database_makes_one(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    mistyped = tmp_path / "dtaa"
    ended = await run(*command, "--data-dir", str(mistyped))
    assert ended.code == ExitCode.NOT_READY
    assert f"there is no database in {mistyped}" in (ended.out + ended.err).replace("\n", "")
    assert not mistyped.exists()


@pytest.mark.parametrize("command", [("serve",), ("serve", "--processes", "2"), ("dev",)])
async def test_a_port_that_is_taken_is_told_before_a_database_is_made(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = await run(*command, "--port", port, "--data-dir", str(tmp_path / "data"))
    assert ended.code == ExitCode.NOT_READY
    assert "cannot listen" in ended.err
    assert ended.err.count("\n") == 1
    assert not (tmp_path / "data").exists()
