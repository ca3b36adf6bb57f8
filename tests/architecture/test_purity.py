"""Domain and planner decide by what they are given alone: no clock, no chance, no waiting, no world."""

import ast
from pathlib import Path

import pytest

from tests.architecture.sources import imported_modules, name_of, python_files, tree_of

PURE_ROOMS = ("server/domain", "server/planner")
OWN = ("server.domain", "server.planner", "server.errors")
STANDARD = frozenset(
    "__future__ abc array bisect collections dataclasses datetime decimal enum fractions functools hashlib "
    "heapq itertools json math operator re statistics string struct types typing uuid zoneinfo".split()
)
# Functions of allowed modules whose answer depends on when or where they are called.
IMPURE_CALLS = frozenset(
    [
        "now",
        "utcnow",
        "today",
        "uuid1",
        "uuid4",
        "uuid6",
        "uuid7",
        "open",
        "print",
        "input",
        "getenv",
        "hash",
        "id",
    ]
)


def called_name(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def is_own(module: str) -> bool:
    return any(module == own or module.startswith(f"{own}.") for own in OWN)


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_a_pure_room_has_code(room: str) -> None:
    assert len(python_files(room)) > 1


@pytest.mark.parametrize("path", python_files(*PURE_ROOMS), ids=name_of)
def test_a_pure_room_imports_only_words_and_arithmetic(path: Path) -> None:
    foreign = [
        f"line {line}: {module}"
        for module, line in imported_modules(path)
        if not is_own(module) and module.partition(".")[0] not in STANDARD
    ]
    assert foreign == []


@pytest.mark.parametrize("path", python_files(*PURE_ROOMS), ids=name_of)
def test_a_pure_room_never_asks_the_clock_or_waits(path: Path) -> None:
    impure = [
        f"line {node.lineno}: {called_name(node)}()"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and called_name(node) in IMPURE_CALLS
    ]
    waiting = [
        f"line {node.lineno}: {type(node).__name__}"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith)
    ]
    assert impure + waiting == []


@pytest.mark.parametrize("path", python_files("server/planner"), ids=name_of)
def test_the_planner_reads_no_file(path: Path) -> None:
    assert [module for module, _ in imported_modules(path) if module == "zoneinfo"] == []
