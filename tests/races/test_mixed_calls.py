"""After hundreds of changes of every kind, in a row and at once, over several restaurants, nothing is wrong."""

from tests.conftest import Served
from tests.races.attempts import several_clients
from tests.races.mixed_calls import mixed_calls

CALLS, CONCURRENT, SEED = 300, 100, 11
METHODS = 13


async def test_mixed_changes_leave_every_restaurant_in_order(server: Served) -> None:
    """`python -m tests.races.mixed_calls` makes ten thousand."""
    async with several_clients(server, 3) as clients:
        outcomes = await mixed_calls(clients, CALLS, CONCURRENT, SEED)
    assert outcomes.broken == []
    assert outcomes.calls == CALLS + CONCURRENT
    succeeded = {method for method, outcome in outcomes.counted if outcome == "OK"}
    assert len(succeeded) >= METHODS
