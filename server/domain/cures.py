"""What could make a reason against a table set disappear. A cure is never certain: another reason may come after it."""

from collections.abc import Mapping
from enum import StrEnum

from server.domain.events import EventType
from server.errors import Reason


class Cure(StrEnum):
    """A change after which asking again may be worth while. The outbox announces most of them."""

    HOLD_ENDS = "hold_ends"
    ASSIGNMENT_RELEASED = "assignment_released"
    BLOCK_RELEASED = "block_released"
    TABLE_BACK_IN_SERVICE = "table_back_in_service"
    FLOOR_CHANGED = "floor_changed"
    POLICY_CHANGED = "policy_changed"
    BOOKING_CHANGED = "booking_changed"


# Redundant combinations have none: a part of the set seats the party and is the one to wait for. Neither has an
# avoided table: only whoever asks can change that.
CURES: Mapping[Reason, tuple[Cure, ...]] = {
    Reason.TABLE_OUT_OF_SERVICE: (Cure.TABLE_BACK_IN_SERVICE,),
    Reason.ZONE_NOT_REQUESTED: (Cure.FLOOR_CHANGED, Cure.BOOKING_CHANGED),
    Reason.REQUIRED_ATTRIBUTE_UNMET: (Cure.FLOOR_CHANGED, Cure.BOOKING_CHANGED),
    Reason.COMBINATION_DISABLED: (Cure.POLICY_CHANGED,),
    Reason.COMBINATION_TOO_LARGE: (Cure.POLICY_CHANGED,),
    Reason.COMBINATION_CROSSES_ZONES: (Cure.FLOOR_CHANGED,),
    Reason.COMBINATION_TABLE_NOT_MOVABLE: (Cure.FLOOR_CHANGED,),
    Reason.COMBINATION_NOT_ADJACENT: (Cure.FLOOR_CHANGED, Cure.POLICY_CHANGED),
    Reason.CAPACITY_INSUFFICIENT: (Cure.FLOOR_CHANGED, Cure.BOOKING_CHANGED),
    Reason.CAPACITY_BELOW_MIN_PARTY: (Cure.FLOOR_CHANGED, Cure.BOOKING_CHANGED),
    Reason.SLACK_BUDGET_EXCEEDED: (Cure.FLOOR_CHANGED, Cure.POLICY_CHANGED, Cure.BOOKING_CHANGED),
    Reason.TABLE_BLOCKED: (Cure.BLOCK_RELEASED,),
    Reason.TABLE_CONFLICT_ASSIGNED: (Cure.ASSIGNMENT_RELEASED,),
    Reason.TABLE_CONFLICT_HELD: (Cure.HOLD_ENDS,),
}

# The party's own change is missing: it queues the booking anew. A hold that is confirmed makes no room, and what it has
# become ends as an assignment.
ANNOUNCED_BY: Mapping[Cure, tuple[EventType, ...]] = {
    Cure.HOLD_ENDS: (EventType.HOLD_RELEASED, EventType.HOLD_EXPIRED, EventType.ASSIGNMENT_RELEASED),
    Cure.ASSIGNMENT_RELEASED: (EventType.ASSIGNMENT_RELEASED,),
    Cure.BLOCK_RELEASED: (EventType.BLOCK_RELEASED,),
    Cure.TABLE_BACK_IN_SERVICE: (EventType.INVENTORY_CHANGED,),
    Cure.FLOOR_CHANGED: (EventType.INVENTORY_CHANGED,),
    Cure.POLICY_CHANGED: (EventType.INVENTORY_CHANGED,),
}

# What is in the way there is a party, and a party may be able to sit elsewhere.
MOVABLE = frozenset({Reason.TABLE_CONFLICT_ASSIGNED, Reason.TABLE_CONFLICT_HELD})
