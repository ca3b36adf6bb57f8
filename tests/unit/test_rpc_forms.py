"""The forms of single values: the last that has one, and the first that has not."""

from datetime import date

import pytest
from google.protobuf.duration_pb2 import Duration

from server.rpc import forms


@pytest.mark.parametrize("text", ["", "a b~", "é 寿司", "שולחן", "\N{WOMAN}\u200d\N{COOKING}"])
def test_a_line_of_any_language_is_plain(text: str) -> None:
    assert forms.is_plain_text(text)
    assert forms.is_seen_as_it_is(text)


@pytest.mark.parametrize("character", ["\x00", "\n", "\x7f", "\x85", "\u2028", "\u2029", "\ud800"])
@pytest.mark.parametrize("before", ["a", "é"])
def test_what_ends_a_line_or_cannot_be_stored_is_not(before: str, character: str) -> None:
    assert not forms.is_plain_text(before + character)


def test_nine_characters_turn_the_direction_of_what_follows_and_their_neighbours_do_not() -> None:
    turning = [chr(code) for code in range(0x2000, 0x2070) if not forms.is_seen_as_it_is(chr(code))]
    assert turning == list("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@pytest.mark.parametrize(
    ("text", "length"),
    [("", 0), (" ", 0), ("\u200b\ufeff\u2060", 0), (" a\u00a0b ", 2), ("\u200d寿司", 2), ("\u00ad", 0)],
)
def test_what_shows_nothing_is_not_seen(text: str, length: int) -> None:
    assert forms.seen_length(text) == length


def test_an_attribute_has_one_to_thirty_two_characters() -> None:
    assert [length for length in range(40) if forms.is_attribute("a" * length)] == list(range(1, 33))


def test_a_token_has_no_character_that_is_not_seen() -> None:
    accepted = [code for code in range(0x100) if forms.is_token(chr(code))]
    assert accepted == list(range(ord("!"), ord("~") + 1))


@pytest.mark.parametrize(
    ("text", "minutes"), [("00:00", 0), ("23:59", 1_439), ("24:00", 1_440), ("24:01", None)]
)
def test_a_local_time_ends_with_the_day(text: str, minutes: int | None) -> None:
    assert forms.minutes_of(text) == minutes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1969-12-31", None),
        ("1970-01-01", date(1970, 1, 1)),
        ("2199-12-31", date(2199, 12, 31)),
        ("2200-01-01", None),
        ("2026-02-29", None),
        ("20261127", None),
        ("2026-W48-5", None),
    ],
)
def test_a_date_is_written_in_one_way_and_lies_in_the_years_of_instants(
    text: str, value: date | None
) -> None:
    assert forms.date_of(text) == value


@pytest.mark.parametrize("sign", [1, -1])
def test_a_length_of_time_has_less_than_a_second_beside_its_seconds(sign: int) -> None:
    assert forms.seconds_of(Duration(seconds=sign, nanos=sign * 999_999_999)) == sign * 1.999999999
    assert forms.seconds_of(Duration(seconds=sign, nanos=sign * 1_000_000_000)) is None
