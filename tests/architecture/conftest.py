"""What the tests of tidiness share."""

from collections.abc import Iterator

import pytest

from tests.architecture.sources import tree_of


@pytest.fixture(scope="module", autouse=True)
def _trees_are_let_go() -> Iterator[None]:
    """Half a million nodes are quickly parsed anew, but an interpreter that ends with them takes its time."""
    yield
    tree_of.cache_clear()
