"""When a watch whose stream has ended opens the next one, and what a floor that is watched says of a response."""

from datetime import UTC, datetime, timedelta

import grpc
import pytest

from maitred.v1.assignment_pb2 import Hold
from maitred.v1.assignment_service_pb2 import (
    FloorDelta,
    FloorHeartbeat,
    FloorSnapshot,
    ResumeCause,
    ResumeRequired,
    WatchFloorRequest,
    WatchFloorResponse,
)
from maitred.v1.events_pb2 import CapacityEvent, HoldEvent
from maitred.v1.inventory_pb2 import Floor
from maitred_client import (
    DrainingError,
    ErrorDetails,
    FloorGapError,
    FloorState,
    PermissionMissingError,
    ServerOverloadedError,
    WatchTokenCompactedError,
    WatchTokenInvalidError,
    timestamp,
)
from maitred_client.watching import PAUSE_S_FIRST, PAUSE_S_MAX, PAUSE_SPREAD, Watch

SEVEN, HOUR = datetime(2031, 5, 1, 19, tzinfo=UTC), timedelta(hours=1)
HEARTBEAT = WatchFloorResponse(resume_token="t", heartbeat=FloorHeartbeat(floor_version=1))


@pytest.fixture
def begun() -> Watch:
    watch = Watch(WatchFloorRequest(), None)
    assert watch.take(HEARTBEAT)
    return watch


def ended(cause: "ResumeCause.ValueType") -> WatchFloorResponse:
    return WatchFloorResponse(resume_required=ResumeRequired(cause=cause))


def overloaded(retry_after_s: float | None) -> ServerOverloadedError:
    details = ErrorDetails(retry_after_s=retry_after_s)
    return ServerOverloadedError(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", details)


def unread() -> WatchTokenInvalidError:
    return WatchTokenInvalidError(grpc.StatusCode.INVALID_ARGUMENT, "unread")


def test_it_waits_as_long_as_the_server_asks(begun: Watch) -> None:
    assert begun.pause_s(overloaded(3.5)) == 3.5
    assert begun.pause_s(overloaded(0.001)) > 0.1


def test_it_waits_longer_each_time_that_nothing_came_and_not_for_ever(begun: Watch) -> None:
    low, high = PAUSE_SPREAD
    for expected_s in (PAUSE_S_FIRST, 2 * PAUSE_S_FIRST, 4 * PAUSE_S_FIRST):
        assert low * expected_s <= begun.pause_s(overloaded(None)) <= high * expected_s
    pauses = [begun.pause_s(None) for _ in range(30)]
    assert PAUSE_S_MAX < max(pauses) <= high * PAUSE_S_MAX
    begun.take(HEARTBEAT)
    assert begun.pause_s(None) <= high * PAUSE_S_FIRST


@pytest.mark.parametrize(("asked_s", "dead_after_s"), [(None, 45), (10, 30), (0, 3), (3600, 180)])
def test_a_stream_may_be_silent_for_three_heartbeats(asked_s: int | None, dead_after_s: int) -> None:
    request = WatchFloorRequest()
    if asked_s is not None:
        request.heartbeat.FromSeconds(asked_s)
    assert Watch(request, None).silence_s == dead_after_s


def test_it_does_not_wait_beyond_its_own_timeout() -> None:
    watch = Watch(WatchFloorRequest(), 3_600.0)
    watch.take(HEARTBEAT)
    assert 3_000 < watch.pause_s(overloaded(7_200.0)) <= 3_600


def test_when_its_time_is_over_it_ends_with_what_ended_its_last_stream() -> None:
    watch = Watch(WatchFloorRequest(), 1e-9)
    watch.take(HEARTBEAT)
    with pytest.raises(ServerOverloadedError):
        watch.pause_s(overloaded(None))


def test_those_who_were_left_together_do_not_return_together() -> None:
    watches = [Watch(WatchFloorRequest(), None) for _ in range(10)]
    for watch in watches:
        watch.take(HEARTBEAT)
    left = DrainingError(grpc.StatusCode.UNAVAILABLE, "bye")
    assert len({watch.pause_s(left) for watch in watches}) > 1


def test_what_waiting_does_not_help_is_raised(begun: Watch) -> None:
    with pytest.raises(PermissionMissingError):
        begun.pause_s(PermissionMissingError(grpc.StatusCode.PERMISSION_DENIED, "no"))


def test_a_watch_that_never_began_tells_why() -> None:
    with pytest.raises(ServerOverloadedError):
        Watch(WatchFloorRequest(), None).pause_s(overloaded(1.0))


def test_it_goes_on_where_it_was_until_that_is_no_longer_kept(begun: Watch) -> None:
    assert begun.take(WatchFloorResponse(snapshot=FloorSnapshot(part=1)))
    assert not begun.take(ended(ResumeCause.RESUME_CAUSE_UNSPECIFIED))
    assert begun.request.resume_token == "t"
    assert not begun.take(ended(ResumeCause.RESUME_CAUSE_COMPACTED))
    assert begun.request.resume_token == ""


def test_it_starts_over_at_once_when_its_token_is_refused_as_too_old(begun: Watch) -> None:
    assert begun.pause_s(WatchTokenCompactedError(grpc.StatusCode.OUT_OF_RANGE, "gone")) == 0
    assert begun.request.resume_token == ""


def test_it_starts_over_at_once_when_a_server_does_not_read_the_token_that_another_gave_it(
    begun: Watch,
) -> None:
    """Servers of two versions may be side by side, and the form of tokens may be another."""
    assert begun.pause_s(unread()) == 0
    assert begun.request.resume_token == ""


def test_a_token_that_the_caller_brought_and_no_server_reads_is_told() -> None:
    with pytest.raises(WatchTokenInvalidError):
        Watch(WatchFloorRequest(resume_token="t"), None).pause_s(unread())


def test_a_floor_says_whether_a_response_changed_it() -> None:
    state = FloorState()
    whole = FloorSnapshot(part=1, last=True, floor_version=7)
    told = [
        state.apply(response)
        for response in (
            WatchFloorResponse(snapshot=whole),
            WatchFloorResponse(heartbeat=FloorHeartbeat(floor_version=7)),
            WatchFloorResponse(delta=FloorDelta(floor_version=8)),
            WatchFloorResponse(delta=FloorDelta(floor_version=9, events=[CapacityEvent()])),
        )
    ]
    assert told == [True, False, False, True]
    assert state.floor_version == 9


def test_a_floor_is_put_together_from_all_parts_of_its_snapshot() -> None:
    state = FloorState()
    first = FloorSnapshot(
        part=1, floor_version=7, floor=Floor(inventory_version=3), holds=[Hold(hold_id="h1")]
    )
    second = FloorSnapshot(part=2, last=True, floor_version=7, holds=[Hold(hold_id="h2")])
    change = WatchFloorResponse(delta=FloorDelta(floor_version=8))
    for _ in range(2):
        # A first part begins anew.
        state.apply(WatchFloorResponse(snapshot=first))
        assert list(state.claims) == ["h1"]
        with pytest.raises(FloorGapError):
            state.apply(change)
        state.apply(WatchFloorResponse(snapshot=second))
        assert (state.complete, list(state.claims), state.floor.inventory_version) == (True, ["h1", "h2"], 3)
        state.apply(change)


def told_of_hold(
    version: int, happened: str, hold_id: str, held_from: datetime, until: datetime
) -> WatchFloorResponse:
    held = HoldEvent(
        hold_id=hold_id,
        start_at=timestamp(held_from),
        end_at=timestamp(held_from + HOUR),
        expires_at=timestamp(until),
    )
    event = CapacityEvent(event_type=f"capacity.hold.{happened}", hold=held)
    return WatchFloorResponse(delta=FloorDelta(floor_version=version, events=[event]))


def test_a_floor_keeps_what_overlaps_the_window_of_its_snapshot_for_as_long_as_it_is_live() -> None:
    state = FloorState()
    start, end = timestamp(SEVEN), timestamp(SEVEN + 2 * HOUR)
    whole = FloorSnapshot(part=1, last=True, window_start=start, window_end=end)
    state.apply(WatchFloorResponse(snapshot=whole))
    for version, held_from in enumerate((SEVEN - HOUR, SEVEN + HOUR, SEVEN + 2 * HOUR), 1):
        state.apply(told_of_hold(version, "created", f"h{version}", held_from, SEVEN))
    assert list(state.claims) == ["h2"]
    assert [claim.owner_id for claim in state.live_claims(SEVEN - HOUR)] == ["h2"]
    assert state.live_claims(SEVEN) == ()
    for version, hold_id in enumerate(("h2", "a"), 4):
        state.apply(told_of_hold(version, "extended", hold_id, SEVEN + HOUR, SEVEN + HOUR))
    assert [claim.owner_id for claim in state.live_claims(SEVEN)] == ["a", "h2"]
