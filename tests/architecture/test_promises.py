"""docs/promises.md names, for every promise, tests that exist and modules that say which promise they show."""

import ast
import re

import pytest

from tests.architecture.sources import ROOT, tree_of

PAGE = ROOT / "docs" / "promises.md"
ROWS = [
    *(f"P{n}" for n in range(1, 12)),
    *(f"A{n}" for n in range(1, 17)),
    *(f"O{n}" for n in range(1, 9)),
    "C1",
    "C2",
    "V7",
    "V8",
    "V9",
    "V10",
]
ROW = re.compile(r"^\| ([A-Z]\d+) \| (.+?) \| (.+) \|$", re.MULTILINE)
PROGRAM = re.compile(r"`python -m ([\w.]+)`")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def promises() -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """By row: the promise, and the file and name of each test that shows it."""
    found = ROW.findall(PAGE.read_text())
    assert len(found) == len({row for row, _, _ in found})
    return {row: (promise, NAMED.findall(tests)) for row, promise, tests in found}


def test_every_promise_has_its_row() -> None:
    assert list(promises()) == ROWS


@pytest.mark.parametrize("row", ROWS)
def test_the_tests_that_show_a_promise_exist(row: str) -> None:
    promise, tests = promises()[row]
    assert promise.endswith(".")
    assert 1 <= len(tests) <= 6
    missing = [f"{path}::{name}" for path, name in tests if name not in names_in(path)]
    assert missing == []


@pytest.mark.parametrize("row", ROWS)
def test_a_module_that_shows_a_promise_says_so(row: str) -> None:
    _, tests = promises()[row]
    told = {path: ast.get_docstring(tree_of(ROOT / path)) or "" for path, _ in tests}
    assert any(re.search(rf"\b{row}\b", words) for words in told.values()), told


def test_nothing_on_the_page_looks_like_a_test_and_is_not_read() -> None:
    named = sum(len(tests) for _, tests in promises().values())
    assert PAGE.read_text().count("tests/") == named


def test_the_programs_that_show_promises_at_full_length_exist() -> None:
    named = PROGRAM.findall(PAGE.read_text())
    assert named
    files = {name: ROOT.joinpath(*name.split(".")) for name in named}
    found = {
        n for n, at in files.items() if at.with_suffix(".py").is_file() or (at / "__main__.py").is_file()
    }
    assert found == set(named)


def names_in(path: str) -> set[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree_of(ROOT / path).body if isinstance(node, functions)}
