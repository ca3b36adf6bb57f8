"""Functions and files stay small, and no room is a drawer for everything."""

import ast
from collections.abc import Iterator

from tests.architecture.sources import ROOT, name_of, python_files, tree_of

FUNCTION_LINES_MAX = 60
FUNCTION_LINES_USUAL = 30
USUAL_SHARE_MIN = 0.9
FILE_LINES_MAX = 400
DRAWERS = frozenset({"utils", "util", "common", "helpers", "helper", "core", "base", "manager", "misc"})


def function_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """From `def` to the last line, without the docstring, which may be as long as the reader needs."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def functions() -> Iterator[tuple[str, int]]:
    for path in python_files():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name_of(path)}:{node.lineno} {node.name}", function_lines(node)


def test_no_function_is_longer_than_a_screen() -> None:
    too_long = [f"{name}: {lines} lines" for name, lines in functions() if lines > FUNCTION_LINES_MAX]
    assert too_long == []


def test_nine_of_ten_functions_are_short() -> None:
    all_functions = list(functions())
    longer = [f"{name}: {lines} lines" for name, lines in all_functions if lines > FUNCTION_LINES_USUAL]
    assert all_functions
    assert len(longer) <= (1 - USUAL_SHARE_MIN) * len(all_functions), "\n".join(longer)


def test_no_file_is_too_long_to_read_in_one_go() -> None:
    statements = (ROOT / "server/persistence/sql").glob("*.sql")
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in (*python_files(), *statements)}
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES_MAX} == {}


def test_no_module_is_a_drawer_for_everything() -> None:
    parts = {(name_of(path), part) for path in python_files() for part in path.relative_to(ROOT).parts}
    assert sorted(name for name, part in parts if part.removesuffix(".py").strip("_") in DRAWERS) == []


def test_sample_data_holds_no_code() -> None:
    sample = ROOT / "server" / "sample"
    assert [name_of(path) for path in sample.rglob("*.py") if path.read_text().strip()] == []
