"""The page about the command line has every exit code, every command that writes JSON, and messages that exist."""

import re
from collections.abc import Iterator
from typing import Any

import typer

from maitred_client import messages
from server.cli.app import app
from server.cli.failures import MEANINGS
from tests.support.command_line_page import PAGE, json_of_commands

MESSAGE = re.compile(r"`([A-Z]\w+)`")


def test_every_exit_code_has_its_meaning() -> None:
    told = re.findall(r"^\| (\d+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert told == [(str(int(code)), meaning) for code, meaning in MEANINGS.items()]


def test_every_command_that_writes_json_has_a_row_and_no_other() -> None:
    assert set(json_of_commands()) == set(_writing_json(typer.main.get_command(app)))


def _writing_json(command: Any, *names: str) -> Iterator[str]:
    if any(parameter.name == "output" for parameter in command.params):
        yield " ".join(names)
    for name, inner in getattr(command, "commands", {}).items():
        yield from _writing_json(inner, *names, name)


def test_every_message_that_is_named_is_one_of_the_contract() -> None:
    assert [name for name in MESSAGE.findall(PAGE) if not hasattr(messages, name)] == []
