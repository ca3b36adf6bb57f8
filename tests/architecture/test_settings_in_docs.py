"""What the pages say of settings is so: those that are named exist, and have the defaults that are told."""

import re
from collections.abc import Iterator

import pytest

from server.config import COMMAND_LINE_VARIABLES, load_settings, setting_variables
from tests.architecture.sources import ROOT

PAGES = {path.name: path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))}
VARIABLE = re.compile(r"\bMAITRED_[A-Z0-9_]*[A-Z0-9]\b")
TABLE = re.compile(r"^\| Setting \| Default \|.*\n\|---.*\n((?:\|.*\n)+)", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_that_a_page_names_exists(page: str) -> None:
    assert set(VARIABLE.findall(PAGES[page])) <= setting_variables() | COMMAND_LINE_VARIABLES


def told() -> Iterator[tuple[str, str]]:
    """The settings of all tables of defaults, each with the one that is told; several share a row in order."""
    for page in PAGES.values():
        for table in TABLE.findall(page):
            for row in table.splitlines():
                names, defaults, *_ = row.strip("| ").split(" | ")
                yield from zip(VARIABLE.findall(names), defaults.split(", "), strict=False)


def test_every_default_that_is_told_is_the_default() -> None:
    settings, found = load_settings(), dict(told())
    assert len(found) > 25
    real = {name: getattr(settings, name.removeprefix("MAITRED_").lower()) for name in found}
    assert found == {name: text(value) for name, value in real.items()}


def text(value: object) -> str:
    """As a page writes it."""
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) and value < 100_000 else str(value).removesuffix(".0")
