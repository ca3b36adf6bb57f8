"""Watchers that follow the restaurants through every fault, and whose picture has to be the database's in the end."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

from loadgen.checking.against_database import State
from maitred_client import AsyncMaitredClient, FloorGapError, FloorState, MaitredError, duration
from maitred_client.messages import GetRestaurantRequest, WatchFloorRequest, WatchFloorResponse

# At least so many; restaurants that are more have one each.
WATCHERS_MIN: Final = 3
HEARTBEAT: Final = duration(timedelta(seconds=1))
PAUSE_S, LOOK_S, CATCH_UP_S = 0.2, 0.05, 60.0

Taken: TypeAlias = tuple[str, str, tuple[str, ...], datetime, datetime]
"""Owner, booking, tables and window."""


@dataclass(slots=True)
class Watcher:
    """`state` is what it knows, and `changes` how many it was told; `gap` says how it lost the thread."""

    restaurant_id: str
    state: FloorState = field(default_factory=FloorState)
    changes: int = 0
    gap: str = ""
    _token: str = ""

    async def follow(self, client: AsyncMaitredClient) -> None:
        """Goes on from where it was whenever a watch ends; ends by itself only at a gap."""
        while not self.gap:
            request = WatchFloorRequest(
                restaurant_id=self.restaurant_id, resume_token=self._token, heartbeat=HEARTBEAT
            )
            try:
                async with aclosing(client.watch_floor(request)) as responses:
                    async for response in responses:
                        self.take(response)
            except FloorGapError as gap:
                self.gap = str(gap)
            except MaitredError:
                await asyncio.sleep(PAUSE_S)

    def take(self, response: WatchFloorResponse) -> None:
        """Raises FloorGapError for what does not follow."""
        if response.HasField("snapshot") and response.snapshot.part == 1 and self._token:
            raise FloorGapError("a snapshot came in spite of the token")
        self.state.apply(response)
        self.changes += response.HasField("delta")
        self._token = response.resume_token or self._token

    def has_seen(self, floor_version: int) -> bool:
        return self.state.complete and self.state.floor_version >= floor_version

    def wrong(self, state: State) -> Iterator[str]:
        """A sentence for a gap, or for what it takes for taken and is not, or the other way round. The rows were read
        after it had caught up.
        """
        who = f"a watcher of restaurant {self.restaurant_id}"
        if self.gap:
            yield f"{who}: {self.gap}"
            return
        seen = {
            (claim.owner_id, claim.booking_id, claim.table_ids, claim.window_start, claim.window_end)
            for claim in self.state.live_claims(datetime.fromisoformat(state.taken_at))
        }
        stored = set(_stored(state, self.restaurant_id))
        for what, which in (("does not know", stored - seen), ("only thinks", seen - stored)):
            if which:
                owners = " ".join(sorted(taken[0] for taken in which))
                yield f"{who} {what} that there is {owners}"


@dataclass(frozen=True, slots=True)
class Watchers:
    """All of a run."""

    client: AsyncMaitredClient
    all: tuple[Watcher, ...]

    async def catch_up(self) -> None:
        """Until each has seen the last change, has lost the thread, or has had its time."""
        await asyncio.gather(*map(self._catch_up, self.all))

    async def _catch_up(self, watcher: Watcher) -> None:
        try:
            async with asyncio.timeout(CATCH_UP_S):
                newest = await self._floor_version(watcher.restaurant_id)
                while not (watcher.gap or watcher.has_seen(newest)):  # noqa: ASYNC110 - it wakes nobody
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            watcher.gap = watcher.gap or f"it did not catch up within {CATCH_UP_S:g} s"

    async def _floor_version(self, restaurant_id: str) -> int:
        """Asks until it is told: channels to servers that were killed need a while to find the new ones."""
        request = GetRestaurantRequest(restaurant_id=restaurant_id)
        while True:
            try:
                return (await self.client.get_restaurant(request)).restaurant.floor_version
            except MaitredError:
                await asyncio.sleep(PAUSE_S)


@asynccontextmanager
async def watching(address: str, tenant_id: UUID, restaurant_ids: Sequence[str]) -> AsyncIterator[Watchers]:
    """Watchers of all the restaurants while the block lasts."""
    wanted = max(WATCHERS_MIN, len(restaurant_ids))
    watchers = tuple(Watcher(restaurant_ids[number % len(restaurant_ids)]) for number in range(wanted))
    async with AsyncMaitredClient(address, tenant_id=tenant_id, actor="watcher") as client:
        following = [asyncio.create_task(watcher.follow(client)) for watcher in watchers]
        try:
            yield Watchers(client, watchers)
        finally:
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)


def _stored(state: State, restaurant_id: str) -> Iterator[Taken]:
    """What keeps others out by the rows."""
    owned = defaultdict(list)
    for row in state.live_claims:
        if row["restaurant_id"] == restaurant_id:
            window = datetime.fromisoformat(row["window_start"]), datetime.fromisoformat(row["window_end"])
            owned[row["owner_id"], row["booking_id"] or "", window].append(row["table_id"])
    for (owner_id, booking_id, window), table_ids in owned.items():
        yield owner_id, booking_id, tuple(sorted(table_ids)), *window
