"""What a killed watcher wrote down is where it goes on, and its comparison sees every gap, repeat and difference."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from maitred_client import timestamp
from maitred_client.messages import (
    BlockEvent,
    CapacityEvent,
    FloorDelta,
    FloorSnapshot,
    Restaurant,
    WatchFloorResponse,
)
from tests.builders.world import evening
from tests.races.watchers import Diary, Watcher, wrong_with
from tests.support.watching import Owned, StoredFloor

START = evening()
END = START + timedelta(hours=2)
TAKEN_AT, NEWEST = 5, 9


def snapshot() -> WatchFloorResponse:
    return WatchFloorResponse(
        resume_token=f"after {TAKEN_AT}",
        snapshot=FloorSnapshot(
            part=1,
            last=True,
            floor_version=TAKEN_AT,
            restaurant=Restaurant(inventory_version=2, policy_version=3),
            window_start=timestamp(START),
            window_end=timestamp(END),
        ),
    )


def change(floor_version: int) -> WatchFloorResponse:
    """One that blocks a table of its own."""
    block = BlockEvent(
        block_id=f"block {floor_version}",
        table_ids=[f"table {floor_version}"],
        start_at=timestamp(START),
        end_at=timestamp(END),
    )
    event = CapacityEvent(event_type="capacity.block.created", block=block)
    return WatchFloorResponse(
        resume_token=f"after {floor_version}", delta=FloorDelta(floor_version=floor_version, events=[event])
    )


CHANGES = [change(version) for version in range(TAKEN_AT + 1, NEWEST + 1)]
TOLD = [snapshot(), *CHANGES]


def stored(newest: int = NEWEST) -> StoredFloor:
    claims: set[Owned] = {
        (f"block {version}", "", (f"table {version}",), START, END)
        for version in range(TAKEN_AT + 1, newest + 1)
    }
    versions = {"floor_version": newest, "inventory_version": 2, "policy_version": 3}
    return StoredFloor(START, claims, versions)


def told(responses: list[WatchFloorResponse]) -> Watcher:
    watcher = Watcher("restaurant")
    for response in responses:
        watcher.take(response)
    return watcher


def test_a_watcher_that_was_told_everything_is_right() -> None:
    assert wrong_with(told(TOLD), stored()) == []


@pytest.mark.parametrize(
    ("responses", "sentence"),
    [
        ([*TOLD[:2], *TOLD[3:]], "floor version 8 came after 6"),
        ([*TOLD[:3], *TOLD[2:]], "floor version 7 came after 7"),
        ([TOLD[0], TOLD[2], TOLD[1], *TOLD[3:]], "floor version 7 came after 5"),
        (TOLD[:-1], "floor_version is 8, not 9"),
        ([*TOLD, snapshot(), *CHANGES], "a snapshot came in spite of the token"),
        (CHANGES, "floor version 6 came after 0"),
    ],
    ids=[
        "a gap",
        "a repeat",
        "another order",
        "the last one is missing",
        "from the beginning again",
        "no snapshot",
    ],
)
def test_each_damage_on_the_way_is_named(responses: list[WatchFloorResponse], sentence: str) -> None:
    assert sentence in wrong_with(told(responses), stored())


def without_a_claim(floor: StoredFloor) -> StoredFloor:
    return StoredFloor(floor.now, set(sorted(floor.claims)[1:]), floor.versions)


def with_another_claim(floor: StoredFloor) -> StoredFloor:
    return StoredFloor(floor.now, floor.claims | {("hold", "", ("table 1",), START, END)}, floor.versions)


def with_another_policy(floor: StoredFloor) -> StoredFloor:
    return StoredFloor(floor.now, floor.claims, floor.versions | {"policy_version": 4})


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (without_a_claim, "a claim that is not there: ('block 6'"),
        (with_another_claim, "a claim is missing: ('hold'"),
        (with_another_policy, "policy_version is 3, not 4"),
    ],
)
def test_each_difference_to_the_database_is_named(
    changed: Callable[[StoredFloor], StoredFloor], sentence: str
) -> None:
    (problem,) = wrong_with(told(TOLD), changed(stored()))
    assert problem.startswith(sentence)


def test_a_diary_has_begun_once_the_first_floor_in_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "diary"
    diary = Diary(path)
    assert not diary.has_begun()
    diary.write(WatchFloorResponse())
    first, last = snapshot(), snapshot()
    first.snapshot.last, last.snapshot.part = False, 2
    diary.write(first)
    assert not diary.has_begun()
    diary.write(last)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert not diary.has_begun()
    assert path.read_bytes() == content[:-1]
    path.write_bytes(content)
    assert diary.has_begun()


@pytest.mark.parametrize("torn", [0, 1, 5, 30])
def test_who_was_killed_while_writing_goes_on_at_the_last_whole_message(tmp_path: Path, torn: int) -> None:
    path = tmp_path / "diary"
    diary = Diary(path)
    diary.write(WatchFloorResponse())
    for response in TOLD[:3]:
        diary.write(response)
    whole = path.stat().st_size
    diary.write(TOLD[3])
    with path.open("r+b") as file:
        file.truncate(whole + torn)
    watcher = diary.watcher("restaurant")
    assert (watcher.token, watcher.versions, watcher.lives) == ("after 7", [6, 7], 1)
    for response in TOLD[3:]:
        diary.write(response)
    assert wrong_with(diary.watcher("restaurant"), stored()) == []
