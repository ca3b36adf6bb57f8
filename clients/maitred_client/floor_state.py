"""A watched floor as it is now: the snapshot with every change applied."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from maitred.v1.assignment_pb2 import Assignment, Hold
from maitred.v1.assignment_service_pb2 import FloorDelta, FloorSnapshot, WatchFloorResponse
from maitred.v1.events_pb2 import AssignmentEvent, BlockEvent, CapacityEvent, HoldEvent
from maitred.v1.inventory_pb2 import Block, Floor, Restaurant
from maitred.v1.reasons_pb2 import ClaimKind
from maitred_client.values import instant

# Before a snapshot has come nothing is kept.
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class FloorGapError(Exception):
    """A change was applied that is not the next one. Watch again from a snapshot."""


@dataclass(frozen=True, slots=True)
class FloorClaim:
    """Tables taken for one window by a hold, an assignment or a block, named by `owner_id`. Blocks have no booking."""

    kind: "ClaimKind.ValueType"
    owner_id: str
    booking_id: str
    table_ids: tuple[str, ...]
    window_start: datetime
    window_end: datetime
    expires_at: datetime | None = None

    def live_at(self, now: datetime) -> bool:
        """Whether it keeps others out; only holds expire, and nobody tells when one does."""
        return self.expires_at is None or self.expires_at > now


@dataclass(slots=True)
class FloorState:
    """Apply every response of `watch_floor` in order. `claims` are those that overlap the snapshot's window, by owner.

    `floor` is the document of the snapshot: when `floor_is_current` says no, fetch it again with `get_floor`.
    """

    restaurant: Restaurant = field(default_factory=Restaurant)
    floor: Floor = field(default_factory=Floor)
    floor_version: int = 0
    inventory_version: int = 0
    policy_version: int = 0
    claims: dict[str, FloorClaim] = field(default_factory=dict)
    complete: bool = False
    _from: datetime = _NEVER
    _until: datetime = _NEVER

    @property
    def floor_is_current(self) -> bool:
        return self.floor.inventory_version >= self.inventory_version

    def live_claims(self, now: datetime) -> tuple[FloorClaim, ...]:
        """What keeps others out at this instant of the database's clock, by owner."""
        return tuple(self.claims[owner] for owner in sorted(self.claims) if self.claims[owner].live_at(now))

    def apply(self, response: WatchFloorResponse) -> bool:
        """Whether anything was changed. Raises FloorGapError for a change that does not follow the one before."""
        if response.HasField("snapshot"):
            self._begin(response.snapshot)
            return True
        if response.HasField("delta"):
            self._change(response.delta)
            return bool(response.delta.events)
        return False

    def _begin(self, snapshot: FloorSnapshot) -> None:
        if snapshot.part == 1:
            self.restaurant, self.floor = snapshot.restaurant, snapshot.floor
            self.policy_version = snapshot.restaurant.policy_version
            self.inventory_version = snapshot.restaurant.inventory_version
            self._from, self._until = instant(snapshot.window_start), instant(snapshot.window_end)
            self.claims = {}
        self.floor_version = snapshot.floor_version
        self.complete = snapshot.last
        self.claims.update((claim.owner_id, claim) for claim in _claims_of(snapshot))

    def _change(self, delta: FloorDelta) -> None:
        if delta.floor_version != self.floor_version + 1 or not self.complete:
            raise FloorGapError(f"floor version {delta.floor_version} came after {self.floor_version}")
        self.floor_version = delta.floor_version
        for event in delta.events:
            self._happened(event)

    def _happened(self, event: CapacityEvent) -> None:
        kind = event.event_type
        if kind in ("capacity.hold.created", "capacity.hold.extended"):
            self._put(_of_hold(event.hold))
        elif kind in ("capacity.hold.confirmed", "capacity.hold.released", "capacity.hold.expired"):
            self.claims.pop(event.hold.hold_id, None)
        elif kind == "capacity.assignment.sync":
            self._put(_of_assignment(event.assignment))
        elif kind == "capacity.assignment.released":
            self.claims.pop(event.assignment.assignment_id, None)
        elif kind == "capacity.block.created":
            self._put(_of_block(event.block))
        elif kind == "capacity.block.released":
            self.claims.pop(event.block.block_id, None)
        elif kind == "capacity.inventory.changed":
            self.policy_version = event.inventory.policy_version
            self.inventory_version = event.inventory.inventory_version

    def _put(self, claim: FloorClaim) -> None:
        if claim.window_start < self._until and self._from < claim.window_end:
            self.claims[claim.owner_id] = claim


def _claims_of(snapshot: FloorSnapshot) -> Iterator[FloorClaim]:
    yield from map(_of_hold, snapshot.holds)
    yield from map(_of_assignment, snapshot.assignments)
    yield from map(_of_block, snapshot.blocks)


def _of_hold(hold: Hold | HoldEvent) -> FloorClaim:
    return _claim(
        ClaimKind.CLAIM_KIND_HOLD, hold.hold_id, hold.booking_id, hold, expires_at=instant(hold.expires_at)
    )


def _of_assignment(held: Assignment | AssignmentEvent) -> FloorClaim:
    return _claim(ClaimKind.CLAIM_KIND_ASSIGNMENT, held.assignment_id, held.booking_id, held)


def _of_block(block: Block | BlockEvent) -> FloorClaim:
    return _claim(ClaimKind.CLAIM_KIND_BLOCK, block.block_id, "", block)


def _claim(
    kind: "ClaimKind.ValueType",
    owner_id: str,
    booking_id: str,
    claim: Hold | Assignment | Block | HoldEvent | AssignmentEvent | BlockEvent,
    *,
    expires_at: datetime | None = None,
) -> FloorClaim:
    if isinstance(claim, Hold | Assignment | Block):
        start, end = claim.window_start, claim.window_end
    else:
        start, end = claim.start_at, claim.end_at
    return FloorClaim(
        kind, owner_id, booking_id, tuple(claim.table_ids), instant(start), instant(end), expires_at
    )
