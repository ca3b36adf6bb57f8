"""O1, O3: Whatever is killed while changes are made, every one of them is told, in order, and nothing else."""

from tests.races.outbox_chaos import chaos
from tests.races.outbox_world import outbox_world


async def test_every_change_is_told_in_order_whatever_is_killed() -> None:
    async with outbox_world() as world:
        progress, told = await chaos(world, changes=400, kills=4, seed=7)
    assert told.wrong == ()
    assert told.changes >= 400
    assert told.events == told.streamed <= told.posted
    assert progress.killed.total() >= 4
