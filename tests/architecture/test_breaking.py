"""The contract is compared with the newest commit of main that is not the one at hand."""

import subprocess
from pathlib import Path

import pytest

from ops.build import breaking

IDENTITY = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]


class Repository:
    """A small repository of its own, on a branch called main."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        command = ["git", *IDENTITY, *arguments]
        return subprocess.run(
            command, cwd=self.path, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self, text: str) -> str:
        self.git("commit", "--quiet", "--allow-empty", "--message", text)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(breaking, "ROOT", tmp_path)
    return Repository(tmp_path)


def test_without_a_commit_there_is_nothing_to_compare_with(repository: Repository) -> None:
    assert breaking.baseline() is None


def test_the_first_commit_has_nothing_to_compare_with(repository: Repository) -> None:
    repository.commit("first")
    assert breaking.baseline() is None


def test_main_is_compared_with_the_commit_before(repository: Repository) -> None:
    first = repository.commit("first")
    repository.commit("second")
    assert breaking.baseline() == first


def test_main_is_compared_with_what_was_pushed_last(repository: Repository) -> None:
    first = repository.commit("first")
    repository.git("update-ref", "refs/remotes/origin/main", first)
    repository.commit("second")
    repository.commit("third")
    assert breaking.baseline() == first


def test_a_pushed_main_is_compared_with_the_commit_before(repository: Repository) -> None:
    first = repository.commit("first")
    repository.git("update-ref", "refs/remotes/origin/main", repository.commit("second"))
    assert breaking.baseline() == first


def test_a_branch_is_compared_with_where_it_left_main(repository: Repository) -> None:
    left = repository.commit("first")
    repository.git("switch", "--quiet", "--create", "topic")
    repository.commit("on the branch")
    repository.commit("on the branch again")
    assert breaking.baseline() == left


def test_a_contract_that_is_new_breaks_nothing(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.commit("first")
    repository.commit("second")
    breaking.main()
    assert "no contract yet" in capsys.readouterr().out
