"""Whose turn it is in a load: bookings that wait, bookings with tables, and holds that are left to expire."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from loadgen.acting.lives import EXPIRED_FOR_S, Life, Lives, Standing
from loadgen.place import Visit
from loadgen.scenario import Driving

SEVEN = datetime(2031, 5, 1, 19, tzinfo=UTC)


class Clock:
    """A wall clock that is set by hand."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def visits(count: int) -> list[Visit]:
    return [Visit(0, f"b{number}", 2, SEVEN, SEVEN + timedelta(hours=2)) for number in range(count)]


def lives(count: int, clock: Clock | None = None, *, attended: float = 0.0, shared: float = 0.0) -> Lives:
    driving = Driving(attended=attended, shared=shared)
    return Lives(visits(count), driving, Random(1), clock or Clock())


def test_a_hold_stands_until_its_time_by_the_callers_clock() -> None:
    clock = Clock()
    life = Life(visits(1)[0], clock)
    life.holds("h1", ["t1"], 101.0)
    assert (life.standing, life.hold_id, life.table_ids) == (Standing.HELD, "h1", ("t1",))
    clock.now_s = 101.0
    stood = [life.standing]
    life.has(["t1"])
    assert [*stood, life.standing] == [Standing.EXPIRED, Standing.ASSIGNED]


@pytest.mark.parametrize(
    ("status", "standing", "table_ids"),
    [
        ("confirmed", Standing.ASSIGNED, ()),
        ("checked_in", Standing.CHECKED_IN, ("t1",)),
        ("no_show", Standing.NO_SHOW, ("t1",)),
        ("completed", Standing.OVER, ("t1",)),
        ("cancelled", Standing.OVER, ("t1",)),
        ("pending", Standing.PENDING, ()),
        ("pending_allocation", Standing.PENDING, ()),
    ],
)
def test_a_booking_stands_as_the_service_says(
    status: str, standing: Standing, table_ids: tuple[str, ...]
) -> None:
    life = Life(visits(1)[0])
    life.has(["t1"])
    life.stands(status)
    assert (life.standing, life.table_ids) == (standing, table_ids)


def test_nobody_is_taken_by_two_while_somebody_is_idle_and_anybody_when_nobody_is() -> None:
    three = lives(3)
    with three.one() as first, three.one() as second, three.one() as third:
        assert len({life.visit.booking_id for life in (first, second, third)}) == 3
        with three.one() as fourth:
            assert fourth in (first, second, third)


@pytest.mark.parametrize(("attended", "seated"), [(1.0, True), (0.0, False)])
def test_who_has_tables_is_looked_after_as_often_as_the_scenario_says(attended: float, seated: bool) -> None:
    both = lives(2, attended=attended)
    with both.one() as life:
        life.has(["t1"])
    for _ in range(5):
        with both.one() as taken:
            assert (taken is life) is seated
    with both.one() as taken, both.one() as other:
        # Where there is none of these, the others have their turn.
        assert {taken.standing, other.standing} == {Standing.ASSIGNED, Standing.PENDING}


def test_any_booking_is_taken_where_all_share() -> None:
    shared = lives(2, shared=1.0)
    with shared.one() as first:
        assert any(taken is first for _ in range(20) for taken in [_taken(shared)])


def _taken(among: Lives) -> Life:
    with among.one() as life:
        return life


def test_a_hold_that_is_left_to_expire_is_left_alone_until_it_has() -> None:
    clock = Clock()
    two = lives(2, clock, attended=1.0)
    with two.one() as resting:
        resting.holds("h1", ["t1"], 101.0)
        resting.rests = True
    clock.now_s = 101.0
    assert _taken(two) is not resting
    clock.now_s = 101.0 + EXPIRED_FOR_S
    assert _taken(two) is resting
    assert (resting.standing, resting.rests) == (Standing.EXPIRED, False)
