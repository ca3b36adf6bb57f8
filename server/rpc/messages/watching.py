"""Watched floors in the contract's form."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID
from weakref import WeakKeyDictionary

from maitred.v1 import assignment_service_pb2 as pb
from server.domain.events import CHANGES_NO_FLOOR
from server.domain.limits import (
    HEARTBEAT_S_DEFAULT,
    HEARTBEAT_S_MAX,
    HEARTBEAT_S_MIN,
    SNAPSHOT_PART_ROWS,
)
from server.errors import Reason
from server.orchestrator.floor_feed import EndCause
from server.orchestrator.floor_log import FloorChange, FloorView
from server.orchestrator.put_floor import FloorPut
from server.orchestrator.watch_floor import ResumeRequired, Sight, WatchFloorQuestion
from server.outbox.encoding import capacity_event
from server.rpc.fields import Fields, reading
from server.rpc.messages.claims import assignment_message, block_message, hold_message
from server.rpc.messages.enums import numbers
from server.rpc.messages.floor import floor_message
from server.rpc.messages.inventory import restaurant_message
from server.rpc.messages.time import set_instant
from server.rpc.watch_token import read_watch_token, watch_token

CAUSES = numbers(EndCause, pb.ResumeCause)

# A change is one object for all who watch its restaurant, and is translated once.
_DELTAS: WeakKeyDictionary[FloorChange, pb.WatchFloorResponse] = WeakKeyDictionary()


def read_watch_floor(request: pb.WatchFloorRequest) -> WatchFloorQuestion:
    with reading(request) as fields:
        restaurant_id = fields.uuid("restaurant_id")
        window_start, window_end = _window(fields)
        heartbeat_s = fields.optional_seconds("heartbeat", HEARTBEAT_S_MIN, HEARTBEAT_S_MAX)
        after = read_watch_token(restaurant_id, request.resume_token) if request.resume_token else None
        if request.resume_token and after is None:
            fields.bad(
                "resume_token",
                "is none that was given out for this restaurant",
                reason=Reason.WATCH_TOKEN_INVALID,
            )
    return WatchFloorQuestion(
        restaurant_id,
        after,
        float(HEARTBEAT_S_DEFAULT if heartbeat_s is None else heartbeat_s),
        window_start,
        window_end,
    )


def _window(fields: Fields) -> tuple[datetime | None, datetime | None]:
    """Which of the two are not set is for others to say."""
    if fields.is_set("window_start") and fields.is_set("window_end"):
        window = fields.optional_window("window_start", "window_end")
        assert window is not None, "both are set"
        return window.start, window.end
    return fields.optional_instant("window_start"), fields.optional_instant("window_end")


def watch_floor_responses(restaurant_id: UUID, sight: Sight) -> Iterator[pb.WatchFloorResponse]:
    """What is sent of a sight; a view of a large floor goes in several messages."""
    if isinstance(sight, FloorView):
        yield from _snapshot(sight)
    elif isinstance(sight, FloorChange):
        yield _delta(sight)
    else:
        response = pb.WatchFloorResponse(resume_token=watch_token(restaurant_id, sight.place))
        if isinstance(sight, ResumeRequired):
            response.resume_required.cause = CAUSES[sight.cause]
        else:
            response.heartbeat.floor_version = sight.place.floor_version
        yield response


def _delta(change: FloorChange) -> pb.WatchFloorResponse:
    known = _DELTAS.get(change)
    if known is None:
        told = [event for event in change.events if event.event_type not in CHANGES_NO_FLOOR]
        delta = pb.FloorDelta(floor_version=change.floor_version, events=map(capacity_event, told))
        token = watch_token(change.restaurant_id, change.place)
        known = _DELTAS[change] = pb.WatchFloorResponse(resume_token=token, delta=delta)
    return known


def _snapshot(view: FloorView) -> Iterator[pb.WatchFloorResponse]:
    """Parts that stay below what a client of gRPC accepts; only the last one can be resumed from."""
    restaurant = view.restaurant
    rows = (view.holds, view.assignments, view.blocks)
    parts = max(1, *(-(-len(each) // SNAPSHOT_PART_ROWS) for each in rows))
    for part in range(1, parts + 1):
        cut = slice((part - 1) * SNAPSHOT_PART_ROWS, part * SNAPSHOT_PART_ROWS)
        snapshot = pb.FloorSnapshot(
            part=part,
            last=part == parts,
            floor_version=restaurant.floor_version,
            holds=map(hold_message, view.holds[cut]),
            assignments=map(assignment_message, view.assignments[cut]),
            blocks=map(block_message, view.blocks[cut]),
        )
        if part == 1:
            _head(snapshot, view)
        token = watch_token(restaurant.restaurant_id, view.place) if snapshot.last else ""
        yield pb.WatchFloorResponse(resume_token=token, snapshot=snapshot)


def _head(snapshot: pb.FloorSnapshot, view: FloorView) -> None:
    inventory = view.inventory
    put = FloorPut(view.restaurant.restaurant_id, inventory.floor, inventory.inventory_version)
    snapshot.restaurant.CopyFrom(restaurant_message(view.restaurant))
    snapshot.floor.CopyFrom(floor_message(put))
    set_instant(snapshot.taken_at, view.now)
    set_instant(snapshot.window_start, view.window.start)
    set_instant(snapshot.window_end, view.window.end)
