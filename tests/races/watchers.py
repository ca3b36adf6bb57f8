"""Watchers that write down all they are told, so that one whose process was killed goes on where its diary ends.

`python -m tests.races.watchers ADDRESS TENANT SEED DIARIES RESTAURANT...` is one process of them, a watcher for each
restaurant, made to be killed: it never ends by itself.
"""

import argparse
import asyncio
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from maitred_client import AsyncMaitredClient, FloorGapError, FloorState, MaitredError
from maitred_client.messages import WatchFloorResponse
from server.torture.programs import Program
from tests.support.watching import StoredFloor, differences, stored_floor, watch_request

WATCHERS_PER_PROCESS = 10
# So many messages at most, and the stream is left without a word.
LIFE_MAX = 150
HEARTBEAT_S = 1
PAUSE_S = 0.2
CATCH_UP_S = 120.0
LENGTH_BYTES = 4
# What follows a first gap says the same again.
WRONG_MAX = 5


@dataclass(slots=True)
class Watcher:
    """What one watcher knows after all its lives. `versions` are those of the changes it was told, in that order."""

    restaurant_id: str
    state: FloorState = field(default_factory=FloorState)
    token: str = ""
    first: int = 0
    versions: list[int] = field(default_factory=list)
    lives: int = 0
    wrong: list[str] = field(default_factory=list)

    def take(self, response: WatchFloorResponse) -> None:
        if response.HasField("snapshot"):
            if response.snapshot.part == 1 and self.token:
                self._complain("a snapshot came in spite of the token")
            self.first = response.snapshot.floor_version
            self.versions.clear()
        elif response.HasField("delta"):
            self.versions.append(response.delta.floor_version)
        try:
            self.state.apply(response)
        except FloorGapError as gap:
            self._complain(str(gap))
        self.token = response.resume_token or self.token

    def has_seen(self, floor_version: int) -> bool:
        return self.state.complete and self.state.floor_version >= floor_version

    def _complain(self, sentence: str) -> None:
        if len(self.wrong) < WRONG_MAX:
            self.wrong.append(sentence)


def wrong_with(watcher: Watcher, stored: StoredFloor) -> list[str]:
    """A sentence for every gap, every repeat, and everything that differs from the database."""
    wrong = list(watcher.wrong)
    newest = stored.versions["floor_version"]
    if watcher.versions != list(range(watcher.first + 1, newest + 1)):
        wrong.append(
            f"was told {len(watcher.versions)} changes that are not those from {watcher.first + 1} to {newest}"
        )
    return wrong + differences(watcher.state, stored)


class Diary:
    """A file with one watcher's messages in the order in which they came; an empty one is the beginning of a life."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, response: WatchFloorResponse) -> None:
        """All of it is written or, when the process is killed, nothing or a torn end."""
        content = response.SerializeToString()
        with self._path.open("ab", buffering=0) as file:
            file.write(len(content).to_bytes(LENGTH_BYTES) + content)

    def watcher(self, restaurant_id: str) -> Watcher:
        """Who wrote it, as it was at the last whole message. A torn end is cut off, so nobody may be writing."""
        watcher, whole = Watcher(restaurant_id), 0
        for message, end in self._messages():
            whole = end
            if message:
                watcher.take(WatchFloorResponse.FromString(message))
            else:
                watcher.lives += 1
        if self._path.exists():
            with self._path.open("r+b") as file:
                file.truncate(whole)
        return watcher

    def has_begun(self) -> bool:
        """Whether its watcher has a whole floor, which from then on it goes on from; it may be writing."""
        return any(WatchFloorResponse.FromString(message).snapshot.last for message, _ in self._messages())

    def _messages(self) -> Iterator[tuple[bytes, int]]:
        """Each whole message, and where it ends."""
        content = self._path.read_bytes() if self._path.exists() else b""
        place = 0
        while place + LENGTH_BYTES <= len(content):
            start = place + LENGTH_BYTES
            end = start + int.from_bytes(content[place:start])
            if end > len(content):
                break
            yield content[start:end], end
            place = end


async def _one_life(
    client: AsyncMaitredClient, watcher: Watcher, diary: Diary, messages: int, newest: int
) -> None:
    try:
        await _live(client, watcher, diary, messages, newest)
    except MaitredError:
        # The server is away. A watch that had begun would go on by itself; this one had not.
        await asyncio.sleep(PAUSE_S)


async def _live(
    client: AsyncMaitredClient, watcher: Watcher, diary: Diary, messages: int, newest: int
) -> None:
    """One stream, left in the middle of whatever goes on after so many messages, or once `newest` was seen."""
    diary.write(WatchFloorResponse())
    watcher.lives += 1
    request = watch_request(watcher.restaurant_id, watcher.token, HEARTBEAT_S)
    async with aclosing(client.watch_floor(request)) as responses:
        async for response in responses:
            if not response.HasField("heartbeat"):
                diary.write(response)
                watcher.take(response)
            messages -= 1
            if messages <= 0 or watcher.has_seen(newest):
                return


@dataclass(frozen=True, slots=True)
class WatchCrowd:
    """Watchers of these restaurants, and the processes in which they live."""

    diaries: Path
    restaurant_ids: tuple[str, ...]
    programs: tuple[Program, ...]

    async def start(self) -> None:
        """Returns once each watcher has its first floor: what is changed from now on, it is told or catches up with."""
        for program in self.programs:
            await program.start()
        diaries = [_diary(self.diaries, number) for number in range(len(self.restaurant_ids))]
        async with asyncio.timeout(CATCH_UP_S):
            while not all(diary.has_begun() for diary in diaries):  # noqa: ASYNC110 - they are other processes
                await asyncio.sleep(PAUSE_S)

    async def wrong(self, address: str, tenant_id: UUID, url: str) -> tuple[list[Watcher], list[str]]:
        """After the processes were killed and nothing changes any more: lets each watcher catch up, and compares."""
        async with AsyncMaitredClient(address, tenant_id=tenant_id) as client:
            stored = {each: await stored_floor(url, each) for each in set(self.restaurant_ids)}
            watchers = await asyncio.gather(
                *(
                    _caught_up(
                        client, _diary(self.diaries, number), each, stored[each].versions["floor_version"]
                    )
                    for number, each in enumerate(self.restaurant_ids)
                )
            )
            stored = {each: await stored_floor(url, each) for each in stored}
        return watchers, [
            f"watcher {number}: {sentence}"
            for number, watcher in enumerate(watchers)
            for sentence in wrong_with(watcher, stored[watcher.restaurant_id])
        ]


async def _caught_up(client: AsyncMaitredClient, diary: Diary, restaurant_id: str, newest: int) -> Watcher:
    watcher = diary.watcher(restaurant_id)
    try:
        async with asyncio.timeout(CATCH_UP_S):
            while not watcher.has_seen(newest) and not watcher.wrong:
                await _one_life(client, watcher, diary, sys.maxsize, newest)
    except TimeoutError:
        watcher.wrong.append(f"did not catch up within {CATCH_UP_S:g} s")
    return watcher


def watch_crowd(
    address: str, tenant_id: UUID, seed: int, directory: Path, restaurant_ids: Sequence[str]
) -> WatchCrowd:
    """Processes that are not started yet, with some of the watchers each. The directory is made."""
    diaries = directory / "watchers"
    diaries.mkdir()
    programs = []
    watched = [f"{number}:{restaurant_id}" for number, restaurant_id in enumerate(restaurant_ids)]
    command = (sys.executable, "-m", __name__, address, str(tenant_id), str(seed), str(diaries))
    for first in range(0, len(watched), WATCHERS_PER_PROCESS):
        some = watched[first : first + WATCHERS_PER_PROCESS]
        programs.append(Program((*command, *some), {}, directory / f"watchers-{first}.log"))
    return WatchCrowd(diaries, tuple(restaurant_ids), tuple(programs))


def _diary(diaries: Path, number: int) -> Diary:
    return Diary(diaries / f"{number}")


async def _follow(client: AsyncMaitredClient, diary: Diary, restaurant_id: str, rng: random.Random) -> None:
    """One life after the other, for ever."""
    watcher = diary.watcher(restaurant_id)
    while True:
        await _one_life(client, watcher, diary, rng.randint(1, LIFE_MAX), sys.maxsize)


async def _watch(address: str, tenant_id: UUID, seed: int, diaries: Path, watched: Iterable[str]) -> None:
    async with (
        AsyncMaitredClient(address, tenant_id=tenant_id, actor="watcher") as client,
        asyncio.TaskGroup() as group,
    ):
        for each in watched:
            number, _, restaurant_id = each.partition(":")
            rng = random.Random(f"{seed} {number}")
            group.create_task(_follow(client, _diary(diaries, int(number)), restaurant_id, rng))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.races.watchers", description=__doc__)
    parser.add_argument("address")
    parser.add_argument("tenant", type=UUID)
    parser.add_argument("seed", type=int)
    parser.add_argument("diaries", type=Path, help="the directory of their files")
    parser.add_argument("watched", nargs="+", help="NUMBER:RESTAURANT, a watcher each")
    given = parser.parse_args()
    asyncio.run(_watch(given.address, given.tenant, given.seed, given.diaries, given.watched))


if __name__ == "__main__":
    main()
