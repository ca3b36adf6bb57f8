"""Which PostgreSQL is taken, and where its socket and its log are."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from server.persistence.embedded import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    installation,
    layout,
    postmaster,
)
from server.persistence.embedded.account import Account
from server.persistence.embedded.installation import Installation, find_installation
from server.persistence.embedded.layout import socket_dir_of
from server.persistence.embedded.locks import take_ownership
from tests.support.postgres import scratch_directory

OWN = Account("me", os.geteuid(), os.getegid(), lent=False)


def installed(root: Path, folder: str, version: str) -> None:
    bin_dir = root / folder / "bin"
    bin_dir.mkdir(parents=True)
    for name in ("initdb", "postgres"):
        program = bin_dir / name
        program.write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        program.chmod(0o755)


def test_the_newest_that_is_new_enough_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_DISTRIBUTION_ROOT", tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    installed(tmp_path, "9", "14.20")
    with pytest.raises(EmbeddedPostgresError, match=r"9/bin is postgres \(PostgreSQL\) 14\.20"):
        find_installation("distribution")
    for folder, version in (("a", "15.9"), ("b", "16.10"), ("c", "16.9")):
        installed(tmp_path, folder, version)
    found = find_installation()
    assert (found.version, found.source, found.bin_dir) == ("16.10", "distribution", tmp_path / "b" / "bin")


def test_what_cannot_be_taken_is_named_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "_DISTRIBUTION_ROOT", tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    for folder in ("half", "broken", "odd"):
        installed(tmp_path, folder, "15.9")
    (tmp_path / "half" / "bin" / "initdb").unlink()
    (tmp_path / "broken" / "bin" / "postgres").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "odd" / "bin" / "postgres").write_text("#!/bin/sh\n")
    with pytest.raises(EmbeddedPostgresError) as refused:
        find_installation("distribution")
    for reason in ("half/bin has no initdb", "broken/bin does not run", "odd/bin is silent about"):
        assert f"{tmp_path}/{reason}" in str(refused.value)


def test_one_on_the_path_is_taken_where_it_really_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_DISTRIBUTION_ROOT", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path / "links"))
    installed(tmp_path, "real", "15.9")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "postgres").symlink_to(tmp_path / "real" / "bin" / "postgres")
    assert find_installation("distribution").bin_dir == tmp_path / "real" / "bin"


def a_link(place: Path) -> None:
    beside = place.with_name("elsewhere")
    beside.mkdir()
    place.symlink_to(beside)


def anothers(place: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root makes a directory of somebody else")
    place.mkdir()
    os.chown(place, 12_345, 12_345)


@pytest.mark.parametrize("squat", [Path.touch, a_link, anothers])
def test_a_place_that_somebody_else_has_taken_is_not_used(
    tmp_path: Path, squat: Callable[[Path], None]
) -> None:
    place = tmp_path / "place"
    squat(place)
    with pytest.raises(EmbeddedPostgresError, match="is not a directory of user me"):
        OWN.make_private_directory(place)


def test_a_place_of_ones_own_is_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir(mode=0o755)
    OWN.make_private_directory(tmp_path / "place")
    assert (tmp_path / "place").stat().st_mode & 0o777 == 0o700


def test_a_socket_that_needs_a_shorter_path_is_where_the_user_keeps_such_things(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with scratch_directory() as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
        first, again = (socket_dir_of(runtime / ("long-" * 20), OWN) for _ in range(2))
        assert first == again != socket_dir_of(runtime / ("other-" * 20), OWN)
        assert first.parent == runtime


@pytest.mark.parametrize("lent", [False, True])
def test_a_socket_is_not_where_the_user_keeps_things_that_its_account_cannot_reach(
    lent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lent and os.geteuid() != 0:
        pytest.skip("only root lends an account")
    account = Account("nobody", 65_534, 65_534, lent=True) if lent else OWN
    with scratch_directory() as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime if lent else runtime / "none"))
        place = socket_dir_of(runtime / ("long-" * 20), account)
        place.rmdir()
    assert place.parent == Path("/tmp")


def test_a_copy_is_made_beside_the_data_where_none_for_all_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def copy(_tree: Path, _libraries: Path, target: Path) -> Path:
        asked.append(target)
        if len(asked) == 1:
            raise PermissionError(13, "Permission denied")
        return tmp_path

    monkeypatch.setattr(layout, "shared_copy", copy)
    monkeypatch.setattr(Account, "runs", lambda _, program, *__: program == tmp_path / "bin" / "postgres")
    wheel = Installation(tmp_path / "closed" / "bin", 18, 4, "wheel")
    lent = Account("nobody", 65_534, 65_534, lent=True)
    assert layout.bin_dir_for(wheel, lent, tmp_path / "data") == tmp_path / "bin"
    assert [place.is_relative_to(tmp_path / "data") for place in asked] == [False, True]


def test_whoever_looks_at_a_server_finds_it_where_it_says_that_it_listens(tmp_path: Path) -> None:
    """Another session of its user may have another place for sockets, or none."""
    server = EmbeddedPostgres(tmp_path, Installation(Path("/nowhere"), 16, 1, "wheel"))
    server.data_dir.mkdir()
    told = ("1", server.data_dir, "0", "5432", "/its/place", "", "", "ready")
    (server.data_dir / "postmaster.pid").write_text("".join(f"{line}\n" for line in told))
    owner = take_ownership(tmp_path)
    try:
        assert "host=%2Fits%2Fplace&" in (server.url_elsewhere() or "")
    finally:
        owner.release()


@pytest.mark.parametrize(("size", "left"), [(100, ["server.log"]), (101, ["server.log.1"])])
def test_a_log_that_is_large_is_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, left: list[str]
) -> None:
    monkeypatch.setattr(postmaster, "_LOG_BYTES_MAX", 100)
    log = tmp_path / "server.log"
    log.write_bytes(b"." * size)
    postmaster._turn_over(log)
    assert [each.name for each in tmp_path.iterdir()] == left
