"""The request_id under which everybody assigns a booking automatically."""

import doctest
from uuid import NAMESPACE_URL, UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from server.domain import derived_request
from server.domain.derived_request import AUTO_ASSIGN_NAMESPACE, auto_assign_request_id

needs = st.tuples(st.uuids(), st.uuids(), st.uuids(), st.integers(1, 10_000))


def test_the_examples_and_the_namespace_are_what_the_contract_says() -> None:
    assert doctest.testmod(derived_request).attempted > 0
    assert doctest.testmod(derived_request).failed == 0
    assert uuid5(NAMESPACE_URL, "maitred/auto-assign") == AUTO_ASSIGN_NAMESPACE


@given(needs, needs)
def test_one_need_has_one_id_and_two_have_two(
    one: tuple[UUID, UUID, UUID, int], other: tuple[UUID, UUID, UUID, int]
) -> None:
    assert (auto_assign_request_id(*one) == auto_assign_request_id(*other)) == (one == other)
