"""How often a refusal is told: once in a while per topic, and never less for what failed."""

import pytest

from server.orchestrator.telling import Pace
from tests.support.clock import Clock


def turn(pace: Pace, topic: str) -> bool:
    with pace.turn(topic) as due:
        return due


def test_each_topic_has_a_turn_in_its_time() -> None:
    clock = Clock()
    pace = Pace(1.0, clock)
    assert [turn(pace, "T1"), turn(pace, "T1"), turn(pace, "T2")] == [True, False, True]
    clock.now_s += 0.9
    assert not turn(pace, "T1")
    clock.now_s += 0.1
    assert [turn(pace, "T1"), turn(pace, "T1")] == [True, False]


def test_what_could_not_be_told_is_told_the_next_time() -> None:
    pace = Pace(1.0, Clock())
    with pytest.raises(OSError, match="away"), pace.turn("T1"):
        raise OSError("away")
    assert turn(pace, "T1")


def test_while_one_is_being_told_the_others_are_not() -> None:
    pace = Pace(1.0, Clock())
    with pace.turn("T1") as first, pace.turn("T1") as second:
        assert (first, second) == (True, False)


def test_topics_are_forgotten_with_their_time() -> None:
    clock = Clock()
    pace = Pace(1.0, clock)
    for number in range(1_000):
        clock.now_s += 0.01
        turn(pace, str(number))
    assert len(pace) <= 101
