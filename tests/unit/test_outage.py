"""When a worker takes the receiver for away, and how long it waits then."""

from uuid import UUID

import pytest

from server.outbox.backoff import Backoff
from server.outbox.outage import Outage
from tests.support.clock import Clock

A, B, C = (UUID(int=number) for number in range(1, 4))


def test_one_restaurant_alone_never_shows_that_the_receiver_is_away() -> None:
    outage = Outage(3_600.0, Clock())
    assert [outage.failed(A) for _ in range(20)] == [None] * 20


def test_failures_of_two_restaurants_with_no_delivery_between_them_do() -> None:
    clock = Clock()
    outage = Outage(3_600.0, clock)
    assert outage.failed(A) is None
    clock.now_s += 7.0
    assert outage.failed(B) == 7.0
    assert outage.failed(A) == 7.0
    clock.now_s += 1.0
    assert outage.failed(C) == 8.0


def test_a_delivery_shows_that_it_is_there() -> None:
    clock = Clock()
    outage = Outage(3_600.0, clock)
    outage.failed(A)
    outage.failed(B)
    outage.delivered()
    clock.now_s += 50.0
    assert outage.failed(B) is None
    assert outage.failed(A) == 0.0


def test_it_is_believed_for_so_long_and_not_longer() -> None:
    clock = Clock()
    outage = Outage(60.0, clock)
    outage.failed(A)
    clock.now_s += 59.9
    assert outage.failed(B) == pytest.approx(59.9)
    clock.now_s += 0.1
    assert outage.failed(B) is None
    outage.delivered()
    outage.failed(A)
    assert outage.failed(B) == 0.0


def test_with_no_time_at_all_every_failure_counts() -> None:
    outage = Outage(0.0, Clock())
    assert [outage.failed(each) for each in (A, B, C)] == [None] * 3


@pytest.mark.parametrize(("random", "part"), [(0.0, 0.5), (1.0, 1.0)])
def test_the_wait_is_as_long_as_it_has_been_away_within_the_bounds(random: float, part: float) -> None:
    backoff = Backoff(0.25, 30.0, lambda: random)
    waits = [backoff.while_away(away_s) for away_s in (0.0, 0.1, 4.0, 30.0, 80_000.0)]
    assert waits == [wait_s * part for wait_s in (0.25, 0.25, 4.0, 30.0, 30.0)]


def test_the_wait_after_attempts_doubles_up_to_the_longest() -> None:
    backoff = Backoff(0.25, 30.0, lambda: 1.0)
    assert [backoff.after(attempts) for attempts in (1, 2, 3, 8, 10_000)] == [0.25, 0.5, 1.0, 30.0, 30.0]
