"""What the documents name is there: settings, files, sections, commands and their options."""

import re
import shlex
from collections.abc import Iterator
from os.path import normpath
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from server.cli.app import app
from server.config import COMMAND_LINE_VARIABLES, setting_variables
from tests.architecture.sources import ROOT

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def sections(page: Path) -> set[str]:
    """The anchors of a page's headings, as they are made for links."""
    plain = (
        re.sub(r"[^\w\- ]", "", line.lower())
        for line in re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    )
    return {words.replace(" ", "-") for words in plain}


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        file, _, section = link.partition("#")
        target = Path(normpath(page.parent / file)) if file else page
        assert target.exists(), link
        assert not section or section in sections(target), link


@each_page
def test_every_setting_is_one(page: Path) -> None:
    named = set(re.findall(r"MAITRED_[A-Z0-9_]*[A-Z0-9]\b(?!_?\*)", page.read_text()))
    assert named <= setting_variables() | COMMAND_LINE_VARIABLES


@each_page
def test_every_file_and_module_is_there(page: Path) -> None:
    text = page.read_text()
    for path in re.findall(r"`((?:server|clients|tests|ops|docs|proto|migrations)/[\w./-]+)[`:]", text):
        assert (ROOT / path).exists(), path
    for module in re.findall(r"python -m ([a-z_.]+[a-z_])", text):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def commands(page: Path) -> Iterator[list[str]]:
    """The words after `maitred` of each command on a page."""
    text = page.read_text()
    lines = [
        line for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL) for line in block.splitlines()
    ]
    for line in [*lines, *re.findall(r"`((?:MAITRED_\S+ )*maitred [^`]+)`", text)]:
        if found := re.match(r"(?:MAITRED_\S+ )*maitred (.*)", line.partition("  #")[0]):
            yield shlex.split(found[1])


@each_page
def test_every_command_and_option_is_one(page: Path) -> None:
    program = get_command(app)
    for words in commands(page):
        command: Any = program
        rest = list(words)
        while rest and rest[0] in getattr(command, "commands", {}):
            command = command.commands[rest.pop(0)]
        assert command.params or not rest, words
        known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
        assert {word for word in rest if word.startswith("-")} <= {*known, "--help"}, words
        assert rest != words or words == ["--help"], words
