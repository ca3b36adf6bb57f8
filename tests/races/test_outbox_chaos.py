"""O1, O3: Whatever is killed while changes are made, every one of them is told, in order, and watchers see all."""

import pytest

from tests.races.outbox_chaos import Plan, chaos
from tests.races.outbox_world import outbox_world


@pytest.mark.timeout(300)
async def test_every_change_is_told_in_order_whatever_is_killed() -> None:
    async with outbox_world() as world:
        result = await chaos(world, Plan(changes=320, kills=1, watchers=4, seed=7, restaurants=4, hosts=8))
    assert result.wrong == ()
    assert result.told.changes >= 320
    assert result.told.events == result.told.streamed <= result.told.posted
    assert result.progress.killed == {"postgres": 1, "server": 1, "worker": 1, "watchers": 1}
    assert all(watcher.versions for watcher in result.watchers)
