"""SQL lives in `.sql` files of the persistence room; no Python text of the service is SQL."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, name_of, python_files, tree_of

SQL = re.compile(
    r"""^\s*(
        select\s+[^.!?]*\bfrom\b | select\s+[\w.]+\s*\( | select\s+[\d$'*]
      | insert\s+into\s | update\s+[\w."]+\s+(as\s+\w+\s+)?set\s | delete\s+from\s
      | merge\s+into\s | with\s+(recursive\s+)?\w+\s*(\([^)]*\)\s*)?as\s+((not\s+)?materialized\s*)?\(
      | (create|alter|drop)\s+(or\s+replace\s+)?(unlogged\s+|temp(orary)?\s+|unique\s+)?
        (table|index|extension|type|schema|database|role|function|trigger|view|sequence)\s
      | truncate\s+(table\s+)?\w+\s*$ | lock\s+table\s | set\s+(local|session)\s | copy\s+\w+\s+(from|to)\s
      | (begin|commit|rollback)\s*;?\s*$ | (listen|notify)\s+\w+\s*;?\s*$ | vacuum\b
    )""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


def docstrings(tree: ast.Module) -> set[int]:
    """The identities of the nodes that are docstrings or other bare strings."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Each string that a file uses as a value, and its line. Of a formatted string, its literal parts."""
    tree = tree_of(path)
    prose = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.lineno, node.value


@pytest.mark.parametrize("path", python_files("server", "clients"), ids=name_of)
def test_python_code_holds_no_sql(path: Path) -> None:
    # One-word commands in lower case are ordinary words ("commit" as a metric label), not statements.
    found = [
        f"line {line}: {text.strip()[:60]!r}"
        for line, text in texts(path)
        if SQL.match(text) and not re.fullmatch(r"[a-z]+", text.strip())
    ]
    assert found == []


def test_sql_files_lie_only_in_persistence_and_migrations() -> None:
    homes = (ROOT / "server" / "persistence", ROOT / "migrations")
    tops = ("server", "clients", "migrations")
    found = [path for top in tops for path in (ROOT / top).rglob("*.sql")]
    assert [name_of(path) for path in found if not any(home in path.parents for home in homes)] == []


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id FROM holds",
        "\n  select now()",
        "SELECT 1",
        "UPDATE holds SET state = $1",
        "WITH due AS (SELECT 1) DELETE FROM holds",
        "CREATE DATABASE x",
        "COMMIT",
    ],
)
def test_a_statement_is_recognised(text: str) -> None:
    assert SQL.match(text)


@pytest.mark.parametrize(
    "text",
    ["Select another table.", "Update the policy first.", "with two tables", "create_table", "Delete it."],
)
def test_an_english_sentence_is_not_taken_for_a_statement(text: str) -> None:
    assert not SQL.match(text)
