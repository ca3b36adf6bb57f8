"""The page of a run stands alone and leaves nothing out."""

import re
from typing import Any

from server.torture.page import HEIGHT, LEFT, TOP, WIDTH, page

RESULT: dict[str, Any] = {
    "kept": False,
    "seed": 7,
    "repeat": "maitred torture --seed 7",
    "seconds": 2.0,
    "in_flight": 5,
    "operations": 40,
    "hold_attempts": 30,
    "repeats": 3,
    "lost_answers": 2,
    "promises": [
        {"name": "overlaps", "found": 0, "kept": True, "looked_at": "9 claims", "wrong": []},
        {"name": "half-done confirms", "found": 1, "kept": False, "looked_at": "4", "wrong": ["a <b> c"]},
    ],
    "missing": ["kill PostgreSQL: 0 of 1"],
    "calls": {"HoldTables": {"ok": 20, "TABLE_CONFLICT_HELD": 10}},
    "struck": [
        {"at_s": 0.5, "kind": "kill a server process", "note": "process 9"},
        {"at_s": 2.0, "kind": "cut connections", "note": "3 connections"},
    ],
    "beats": [
        {"at_s": 0.0, "operations": 10, "unknown": 0},
        {"at_s": 0.5, "operations": 10, "unknown": 0},
        {"at_s": 2.5, "operations": 70, "unknown": 1},
    ],
}


def x_of(at_s: float) -> str:
    """Where an instant is in the picture, of which the last beat is the right edge."""
    return f"{LEFT + (WIDTH - LEFT) * at_s / RESULT['beats'][-1]['at_s']:.1f}"


def test_a_page_says_what_was_found_and_asks_nobody_else() -> None:
    text = page(RESULT)
    assert "Not every promise was kept." in text
    assert "a &lt;b&gt; c" in text
    for words in ("overlaps", "9 claims", "kill PostgreSQL: 0 of 1", "TABLE_CONFLICT_HELD", "process 9"):
        assert words in text, words
    assert re.findall(r"(?:https?:|src=|href=)", text) == []


def test_the_picture_has_the_rate_between_two_looks() -> None:
    text = page(RESULT)
    assert ">30 /s<" in text
    still, busiest = re.findall(r'points="(.*?)"', text)[0].split()
    assert still == f"{x_of(0.5)},{TOP + HEIGHT:.1f}"
    assert busiest == f"{x_of(2.5)},{TOP:.1f}"


def test_the_picture_has_each_fault_under_its_instant_and_each_kind_in_a_row_of_its_own() -> None:
    killed, cut = re.findall(r'cx="(.*?)" cy="(.*?)"', page(RESULT))
    assert (killed[0], cut[0]) == (x_of(0.5), x_of(2.0))
    assert float(killed[1]) > float(cut[1]) > TOP + HEIGHT


def test_what_happened_most_often_comes_first() -> None:
    text = page(RESULT)
    assert text.index("<td>ok</td>") < text.index("<td>TABLE_CONFLICT_HELD</td>")


def test_a_run_that_was_too_short_for_a_picture_has_a_page() -> None:
    short = page({**RESULT, "kept": True, "beats": RESULT["beats"][:1]})
    assert "too short for a picture" in short
    assert "Every promise was kept." in short
