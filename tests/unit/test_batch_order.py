"""A15: who comes first when many bookings wait."""

from dataclasses import replace
from itertools import permutations
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from server.domain.booking import BookingStatus, Party
from server.domain.policy import Combinations
from server.domain.window import Window
from server.planner.batch_order import BatchOrder, Queued, in_order, queued
from server.planner.catalog import TableSets
from tests.builders.bookings import booking
from tests.builders.floors import row
from tests.builders.questions import ask, at, claim, evening_policy


def waiting(number: int, *, hour: int = 19, size: int = 2, free_sets: int = 5) -> Queued:
    unassigned = booking(BookingStatus.PENDING)
    return Queued(replace(unassigned, booking_id=UUID(int=number), party=Party(size, at(hour))), free_sets)


def numbers(queue: tuple[Queued, ...]) -> list[int]:
    return [each.booking.booking_id.int for each in queue]


EARLY = waiting(1, hour=18, size=2, free_sets=3)
LARGE = waiting(2, hour=20, size=8, free_sets=2)
PICKY = waiting(3, hour=19, size=2, free_sets=1)
LARGE_AND_EARLY = waiting(4, hour=18, size=4, free_sets=3)
SAME_AGAIN = waiting(5, hour=18, size=4, free_sets=3)
ALL = (EARLY, LARGE, PICKY, LARGE_AND_EARLY, SAME_AGAIN)


def test_each_order_puts_somebody_else_first_however_the_queue_came() -> None:
    expected = {
        BatchOrder.TIME: [4, 5, 1, 3, 2],
        BatchOrder.SIZE_DESC: [2, 4, 5, 1, 3],
        BatchOrder.CONSTRAINED_FIRST: [3, 2, 4, 5, 1],
    }
    for shuffled in permutations(ALL):
        assert {order: numbers(in_order(shuffled, order)) for order in BatchOrder} == expected


spans = st.integers(0, 5).flatmap(lambda first: st.tuples(st.just(first), st.integers(first + 1, 6)))


@given(
    st.lists(st.integers(1, 8), min_size=1, max_size=5),
    st.integers(1, 10),
    st.integers(0, 4),
    st.lists(st.tuples(st.integers(1, 5), spans), max_size=6),
)
def test_the_free_sets_are_those_that_the_planner_finds(
    capacities: list[int], size: int, slack_max: int, taken: list[tuple[int, tuple[int, int]]]
) -> None:
    place, window = row(*capacities), Window(at(19), at(20, 30))
    policy = evening_policy(slack_max=slack_max, combinations=Combinations(tables_max=3))
    claims = [claim(number, at(17 + first), at(17 + last)) for number, (first, last) in taken]
    sets = TableSets.of(place, policy.combinations)
    mine = replace(booking(BookingStatus.PENDING), party=Party(size, window.start))
    own = replace(claim(1, at(19), at(20), owner=2), booking_id=mine.booking_id)
    [found] = queued(sets, slack_max, [mine], [*claims, own])
    assert found.free_sets == ask(place, size, window, policy=policy, claims=claims).plans_found
