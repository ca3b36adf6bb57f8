"""Taking turns: so many at a time for each key."""

import asyncio
from weakref import ref

from server.lanes import Lanes


class Key:
    """Something to take turns for."""


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_so_many_at_a_time_are_let_in_in_order_and_of_other_keys_whoever_comes() -> None:
    lanes, here, there, entered = Lanes(2), Key(), Key(), list[str]()
    leave = {name: asyncio.Event() for name in "abcdez"}

    async def come(name: str, key: Key) -> None:
        async with lanes.enter(key):
            entered.append(name)
            await leave[name].wait()

    everybody = [asyncio.create_task(come(name, here)) for name in "abcd"]
    everybody.append(asyncio.create_task(come("z", there)))
    await turns()
    assert entered == ["a", "b", "z"]
    leave["a"].set()
    await turns()
    # Comes when somebody has left and others still wait.
    everybody.append(asyncio.create_task(come("e", here)))
    await turns()
    assert entered == ["a", "b", "z", "c"]
    for event in leave.values():
        event.set()
    await asyncio.gather(*everybody)
    assert entered == ["a", "b", "z", "c", "d", "e"]


async def test_nothing_is_kept_of_a_key_that_nobody_uses_any_more() -> None:
    lanes, key = Lanes(1), Key()
    kept = ref(key)

    async def come(key: Key) -> None:
        async with lanes.enter(key):
            await asyncio.sleep(0)

    both = asyncio.gather(come(key), come(key))
    await both
    del key, both
    assert kept() is None
