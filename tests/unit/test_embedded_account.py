"""Whom the embedded PostgreSQL runs as, and what it is given to run."""

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from server import launcher
from server.launcher import ending_with_us
from server.persistence.embedded import EmbeddedPostgresError
from server.persistence.embedded.account import Account, choose_account, shared_copy
from tests.support.postgres import scratch_directory

ROOT_LENDS = pytest.mark.skipif(os.geteuid() != 0, reason="only root lends an account")
UNKNOWN = 12_345


def answer(command: list[str], groups: tuple[int, ...] | None = None) -> str:
    """What a command prints; root can be of more groups than its own when it begins."""
    return subprocess.run(
        command, capture_output=True, text=True, check=True, extra_groups=groups
    ).stdout.strip()


def names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


@ROOT_LENDS
def test_root_lends_the_account_that_owns_the_data_or_one_that_is_there_for_such_things() -> None:
    nobody = pwd.getpwnam("nobody")
    with scratch_directory() as data_dir:
        for chosen in (choose_account(data_dir / "none"), choose_account(data_dir)):
            assert chosen.name in {"postgres", "nobody"}
            assert chosen.lent
        os.chown(data_dir, nobody.pw_uid, 7)
        assert choose_account(data_dir) == Account("nobody", nobody.pw_uid, 7, lent=True)
        os.chown(data_dir, UNKNOWN, UNKNOWN)
        with pytest.raises(EmbeddedPostgresError, match=f"user id {UNKNOWN} has no name"):
            choose_account(data_dir)


def test_without_postgres_root_lends_nobody_and_without_both_it_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {"nobody": pwd.getpwnam("nobody")}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", lambda name: there[name])
    assert choose_account(tmp_path / "none").name == "nobody"
    there.clear()
    with pytest.raises(EmbeddedPostgresError, match="neither a user 'postgres' nor a user 'nobody'"):
        choose_account(tmp_path / "none")


def test_an_ordinary_user_runs_it_whosoever_the_data_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = pwd.getpwnam("nobody")
    monkeypatch.setattr(os, "geteuid", lambda: nobody.pw_uid)
    assert choose_account(tmp_path) == Account("nobody", nobody.pw_uid, os.getegid(), lent=False)


@ROOT_LENDS
def test_a_lent_account_is_given_its_directory_and_finds_it_again(tmp_path: Path) -> None:
    lent, place = Account("lent", UNKNOWN, UNKNOWN, lent=True), tmp_path / "place"
    for _ in range(2):
        lent.make_private_directory(place)
        found = place.stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (UNKNOWN, UNKNOWN, 0o700)


@ROOT_LENDS
def test_what_a_lent_account_runs_has_no_group_of_roots() -> None:
    lent = Account("lent", UNKNOWN, UNKNOWN + 1, lent=True)
    assert answer(lent.command("/usr/bin/id", "-u")) == str(UNKNOWN)
    assert answer(lent.command("/usr/bin/id", "-G"), groups=(4,)) == str(UNKNOWN + 1)


def test_what_is_run_leaves_files_that_nobody_else_reads_and_does_not_begin_without_us() -> None:
    assert answer(ending_with_us("/bin/sh", "-c", "umask")) == "0077"
    elses = [sys.executable, "-I", "-S", launcher.__file__, "1", "-", "/bin/echo", "begun"]
    ended = subprocess.run(elses, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "the parent was gone" in ended.stderr


@pytest.fixture
def wheel(tmp_path: Path) -> tuple[Path, Path]:
    """A tree and its libraries, closed to others."""
    files = {
        "package/pginstall/bin/postgres": 0o700,
        "package/pginstall/lib/plpgsql.so": 0o600,
        "package/pginstall/lib/libpq.a": 0o600,
        "package/pginstall/lib/pkgconfig/libpq.pc": 0o600,
        "package/pginstall/include/libpq-fe.h": 0o600,
        "package.libs/libpq.so.5": 0o600,
    }
    for name, mode in files.items():
        (tmp_path / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (tmp_path / name).touch(mode)
    return tmp_path / "package" / "pginstall", tmp_path / "package.libs"


def test_a_copy_has_what_runs_open_to_all_and_is_made_once(tmp_path: Path, wheel: tuple[Path, Path]) -> None:
    target = tmp_path / "copies" / "one"
    (tmp_path / "copies" / f"one.{os.getpid()}" / "half").mkdir(parents=True)
    copied = shared_copy(*wheel, target)
    assert {
        path.relative_to(target).as_posix(): f"{path.stat().st_mode & 0o777:o}"
        for path in (target, *target.rglob("*"))
    } == {
        ".": "755",
        "package": "755",
        "package/pginstall": "755",
        "package/pginstall/bin": "755",
        "package/pginstall/bin/postgres": "755",
        "package/pginstall/lib": "755",
        "package/pginstall/lib/plpgsql.so": "644",
        "package.libs": "755",
        "package.libs/libpq.so.5": "644",
    }
    (copied / "kept").touch()
    assert shared_copy(*wheel, target) == copied == target / "package" / "pginstall"
    assert (copied / "kept").exists()
    assert names(target.parent) == ["one"]


def test_of_two_who_copy_at_once_the_faster_ones_copy_stays(
    tmp_path: Path, wheel: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    target, copytree = tmp_path / "copies" / "one", shutil.copytree

    def overtaken(*given: Any, **options: Any) -> Any:
        (target / "package" / "pginstall" / "theirs").mkdir(parents=True, exist_ok=True)
        return copytree(*given, **options)

    monkeypatch.setattr(shutil, "copytree", overtaken)
    assert names(shared_copy(*wheel, target)) == ["theirs"]
    assert names(target.parent) == ["one"]
