"""Whoever is woken at night finds on the pages each line of the log that warns, and each measurement."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.sources import ROOT, python_files, tree_of

PAGES = "".join((ROOT / "docs" / page).read_text() for page in ("operations.md", "runbooks/outbox.md"))
# What these do they tell whoever has started them.
LABORATORIES = {"bench", "simulation", "torture"}
LEVELS = {"warning", "error", "critical", "exception"}
INSTRUMENT = re.compile(r"(maitred|rpc\.server)(\.[a-z_]+)+")
# Handed to the one place that logs them.
HANDED_ON = {"receiver_away", "receiver_busy"}


def test_every_line_that_warns_is_explained() -> None:
    lines = {
        line for path in python_files("server") if path.parent.name not in LABORATORIES for line in said(path)
    }
    assert {"database_is_away", "service_not_serving", "service_is_back"} <= lines
    assert sorted(line for line in lines | HANDED_ON if f"`{line}`" not in PAGES) == []


def test_every_measurement_is_explained() -> None:
    declared = {
        text for node in ast.walk(tree_of(ROOT / "server/telemetry/metrics.py")) for text in texts(node)
    }
    named = {text for text in declared if INSTRUMENT.fullmatch(text)}
    assert "maitred.outbox.lag" in named
    assert sorted(name for name in named if f"`{name}`" not in PAGES) == []


def said(path: Path) -> Iterator[str]:
    """The names of the lines that a file writes from the level warning on; all of them where it chooses."""
    for node in ast.walk(tree_of(path)):
        match node:
            case ast.Call(func=ast.Attribute(value=logger, attr=level), args=[line, *_]):
                if level in LEVELS and ast.unparse(logger).endswith("log"):
                    for part in ast.walk(line):
                        yield from texts(part)


def texts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
