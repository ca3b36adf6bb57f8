"""A watcher tells what it was told from what there is, and a thread that it lost from one that it kept."""

from datetime import UTC, datetime, timedelta
from unittest.mock import AsyncMock
from uuid import uuid4

import pytest

from loadgen.checking.against_database import State
from maitred.v1.assignment_pb2 import Assignment
from maitred.v1.assignment_service_pb2 import FloorDelta, FloorHeartbeat, FloorSnapshot, WatchFloorResponse
from maitred.v1.events_pb2 import AssignmentEvent, CapacityEvent
from maitred_client import FloorGapError, timestamp
from maitred_client.messages import GetRestaurantResponse, Restaurant
from server.torture import watching
from server.torture.watching import Watcher, Watchers

NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)
START, END = NOW + timedelta(hours=6), NOW + timedelta(hours=8)
ROW = {
    "restaurant_id": "r",
    "table_id": "t",
    "window_start": START.isoformat(),
    "window_end": END.isoformat(),
    "kind": "assignment",
    "owner_id": "a",
    "booking_id": "b",
    "expires_at": None,
}


def snapshot(*, part: int = 1, last: bool = True) -> WatchFloorResponse:
    """Floor version 1, with one assignment."""
    seated = Assignment(
        assignment_id="a",
        booking_id="b",
        table_ids=["t"],
        window_start=timestamp(START),
        window_end=timestamp(END),
    )
    told = FloorSnapshot(
        part=part,
        last=last,
        floor_version=1,
        assignments=[seated],
        window_start=timestamp(NOW),
        window_end=timestamp(NOW + timedelta(days=1)),
    )
    return WatchFloorResponse(resume_token=f"part {part}", snapshot=told)


def given_up(floor_version: int) -> WatchFloorResponse:
    event = CapacityEvent(
        event_type="capacity.assignment.released", assignment=AssignmentEvent(assignment_id="a")
    )
    return WatchFloorResponse(
        resume_token="later", delta=FloorDelta(floor_version=floor_version, events=[event])
    )


@pytest.fixture
def watcher() -> Watcher:
    watcher = Watcher("r")
    watcher.take(snapshot())
    return watcher


def wrong(watcher: Watcher, *rows: dict[str, str | None]) -> list[str]:
    return list(watcher.wrong(State(NOW.isoformat(), rows)))


def test_what_it_was_told_and_the_rows_have_is_right(watcher: Watcher) -> None:
    assert wrong(watcher, ROW, {**ROW, "restaurant_id": "another"}) == []


@pytest.mark.parametrize(
    "other", [{"table_id": "u"}, {"owner_id": "c"}, {"booking_id": None}, {"window_end": NOW.isoformat()}]
)
def test_what_the_rows_have_otherwise_is_wrong_both_ways(
    watcher: Watcher, other: dict[str, str | None]
) -> None:
    found = wrong(watcher, {**ROW, **other})
    assert ["does not know" in sentence for sentence in found] == [True, False]


def test_what_it_takes_for_taken_and_is_not_is_wrong(watcher: Watcher) -> None:
    assert wrong(watcher) == ["a watcher of restaurant r only thinks that there is a"]
    watcher.take(given_up(2))
    assert wrong(watcher) == []


@pytest.mark.parametrize("floor_version", [1, 3])
def test_a_change_that_comes_twice_or_too_early_is_a_gap(watcher: Watcher, floor_version: int) -> None:
    with pytest.raises(FloorGapError):
        watcher.take(given_up(floor_version))


def test_a_snapshot_in_spite_of_the_token_is_a_gap_and_its_next_part_is_none() -> None:
    watcher = Watcher("r")
    watcher.take(snapshot(last=False))
    watcher.take(snapshot(part=2))
    with pytest.raises(FloorGapError, match="in spite of the token"):
        watcher.take(snapshot())


def test_it_has_seen_what_it_was_told_in_full(watcher: Watcher) -> None:
    assert watcher.has_seen(1)
    assert not watcher.has_seen(2)
    watcher.take(given_up(2))
    watcher.take(WatchFloorResponse(heartbeat=FloorHeartbeat(floor_version=2)))
    assert watcher.has_seen(2)
    assert watcher.changes == 1
    partly = Watcher("r")
    partly.take(snapshot(last=False))
    assert not partly.has_seen(1)


def watchers_of(watcher: Watcher, floor_version: int) -> Watchers:
    """All of a run in which the restaurant's last change has this version."""
    told = GetRestaurantResponse(restaurant=Restaurant(floor_version=floor_version))
    return Watchers(AsyncMock(get_restaurant=AsyncMock(return_value=told)), (watcher,))


async def test_who_does_not_hear_of_the_last_change_has_a_gap(
    watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    await watchers_of(watcher, 1).catch_up()
    assert wrong(watcher, ROW) == []
    monkeypatch.setattr(watching, "CATCH_UP_S", 0.01)
    await watchers_of(watcher, 2).catch_up()
    assert wrong(watcher, ROW) == ["a watcher of restaurant r: it did not catch up within 0.01 s"]


async def test_every_restaurant_is_watched_and_one_by_several() -> None:
    for restaurants in (["r"], ["r", "s", "t", "u"]):
        async with watching.watching("127.0.0.1:1", uuid4(), restaurants) as watchers:
            assert {each.restaurant_id for each in watchers.all} == set(restaurants)
            assert len(watchers.all) == max(watching.WATCHERS_MIN, len(restaurants))
