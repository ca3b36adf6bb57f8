"""How several names are given in one option, whatever is in them."""

import pytest
import typer

from maitred_client.messages import Floor, Table
from server.cli.looking_up import table_ids, words

FLOOR = Floor(
    tables=[
        Table(table_id=f"id-{number}", name=name)
        for number, name in enumerate(("T1", "Bar, left", '12" oak', '"Ritz"', "שולחן א"))
    ]
)


@pytest.mark.parametrize(
    ("text", "parted"),
    [
        ("", []),
        (" , ", []),
        ("a,b", ["a", "b"]),
        (" a , b,", ["a", "b"]),
        ('"a, b", c', ["a, b", "c"]),
        ('12" oak,c', ['12" oak', "c"]),
        ('"""a"" b",c', ['"a" b', "c"]),
    ],
)
def test_commas_part_what_does_not_stand_in_quotes(text: str, parted: list[str]) -> None:
    assert words(text, "--require") == parted


@pytest.mark.parametrize("text", ['"a, b', '"a"b', "a\nb"])
def test_a_list_that_cannot_be_read_names_its_option_and_says_how_to_write_it(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="stands in double quotes") as problem:
        words(text, "--require")
    assert problem.value.param_hint == "--require"


def test_every_table_can_be_named() -> None:
    wanted = 't1,"bar, left",12" OAK,"""Ritz""",שולחן א,id-0'
    assert table_ids(FLOOR, wanted, "--tables") == ["id-0", "id-1", "id-2", "id-3", "id-4", "id-0"]
