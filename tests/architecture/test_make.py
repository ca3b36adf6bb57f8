"""`make` alone tells a newcomer what there is."""

import fcntl
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from ops.build import bootstrap
from tests.architecture.sources import ROOT

TARGETS = {"setup", "demo", "dev", "test", "check", "generate", "lock", "bench", "kills", "torture", "clean"}
# What a `make test` that runs this would hand down to the inner make.
INHERITED = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")


def make(*arguments: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name not in INHERITED}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, env=kept, check=True, capture_output=True, text=True).stdout


def test_make_without_a_target_explains_every_target() -> None:
    explained = dict(re.findall(r"^  make (\S+) +(\S.*)$", make(), re.MULTILINE))
    assert set(explained) == TARGETS | {"help"}
    assert all(len(text.split()) >= 3 for text in explained.values())


def test_every_target_that_needs_the_environment_builds_it_first() -> None:
    for target in TARGETS - {"setup", "clean"}:
        assert "ops/build/setup.sh" in make("--dry-run", target).splitlines()[0], target


def test_no_target_sees_what_is_set_for_another_python(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONHOME", "PYTHONPATH"):
        monkeypatch.setenv(name, "/nowhere")
    assert "/nowhere" not in make("--eval", "shown: ; @env", "shown")


def test_an_environment_of_another_python_is_kept_unless_one_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / "venv")
    monkeypatch.setenv("PYTHON", sys.executable)
    assert bootstrap.works(python)
    monkeypatch.setattr(sys, "version", "3.99.0 (another)")
    assert not bootstrap.works(python)
    monkeypatch.delenv("PYTHON")
    assert bootstrap.works(python)
    monkeypatch.setattr(bootstrap, "TOO_NEW", (3, 11))
    assert not bootstrap.works(python)


def test_a_python_that_packages_have_no_builds_for_is_passed_over(tmp_path: Path) -> None:
    for name, version in (("python3", (3, 15)), ("python3.13", (3, 13))):
        stand_in = tmp_path / name
        said = f"import sys; sys.version_info = {version}; exec(sys.argv.pop(1))"
        stand_in.write_text(
            f'#!/bin/sh\n[ "$1" = -c ] && exec "{sys.executable}" -c "{said}" "$2"\necho "$0 $1"\n'
        )
        stand_in.chmod(0o755)
    asked = ["sh", str(ROOT / "ops" / "build" / "setup.sh")]
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    chosen = subprocess.run(asked, env=environment, check=True, capture_output=True, text=True).stdout
    assert chosen == f"{tmp_path / 'python3.13'} ops/build/bootstrap.py\n"


def test_the_environment_works_where_the_locale_has_no_letters_for_the_path(tmp_path: Path) -> None:
    clone = tmp_path / "Küche"
    venv.create(clone / ".venv", with_pip=False)
    (packages,) = (clone / ".venv").glob("lib/python*/site-packages")
    listed = packages / "_maitred.pth"
    listed.write_text(f"{clone}\n{clone / 'clients'}\n", encoding="utf-8")
    (clone / "server.py").touch()
    (clone / "clients").mkdir()
    (clone / "clients" / "maitred_client.py").touch()
    for _ in range(2):
        bootstrap.leave_out_the_place(listed)
    imported = [str(clone / ".venv" / "bin" / "python"), "-c", "import server, maitred_client"]
    subprocess.run(imported, cwd="/", env={"LC_ALL": "C"}, check=True)


def test_two_setups_of_a_clone_do_not_work_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    other = os.open(tmp_path, os.O_RDONLY)
    try:
        with bootstrap.alone(), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(other)
