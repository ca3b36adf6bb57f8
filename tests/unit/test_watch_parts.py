"""A snapshot that is too large for one message comes in several, each of which any client of gRPC accepts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from maitred_client import FloorState
from server.domain.claims import Assignment, AssignmentState, Block, BlockCause, Hold, HoldState
from server.domain.floor import Floor, Table, Zone
from server.domain.limits import (
    ACTOR_LENGTH_MAX,
    ADJACENCY_MAX,
    ATTRIBUTE_LENGTH_MAX,
    ATTRIBUTES_MAX,
    BLOCK_TABLES_MAX,
    SELECTION_TABLES_MAX,
    SNAPSHOT_PART_ROWS,
    TABLE_NAME_LENGTH_MAX,
    TABLES_MAX,
    TEXT_LENGTH_MAX,
    ZONE_NAME_LENGTH_MAX,
    ZONES_MAX,
)
from server.domain.overrides import OVERRIDABLE
from server.domain.restaurant import Restaurant
from server.domain.window import Window
from server.orchestrator.floor_log import FloorPlace, FloorView
from server.orchestrator.ports import Inventory
from server.rpc.messages.time import instant_message
from server.rpc.messages.watching import watch_floor_responses

RECEIVED_BYTES_MAX = 4 * 2**20
# Four bytes, as many as a character can have.
WIDE = "\N{SUSHI}"
NOW = datetime(2199, 12, 31, 23, 59, 59, 999_999, UTC)
WINDOW = Window(NOW - timedelta(hours=1), NOW)
RESTAURANT = Restaurant(uuid4(), uuid4(), WIDE * 200, "America/Argentina/ComodRivadavia", 1, 1, 1, 2**40)
ACTOR = WIDE * ACTOR_LENGTH_MAX


def ids(count: int) -> tuple[UUID, ...]:
    return tuple(uuid4() for _ in range(count))


def longest_hold() -> Hold:
    return Hold(
        hold_id=uuid4(),
        restaurant_id=RESTAURANT.restaurant_id,
        booking_id=uuid4(),
        table_ids=ids(SELECTION_TABLES_MAX),
        window=WINDOW,
        state=HoldState.ACTIVE,
        expires_at=NOW,
        created_at=NOW,
        actor=ACTOR,
        policy_version=2**40,
        inventory_version=2**40,
        assignment_epoch=2**40,
        overrides=tuple(OVERRIDABLE),
    )


def longest_assignment() -> Assignment:
    return Assignment(
        assignment_id=uuid4(),
        restaurant_id=RESTAURANT.restaurant_id,
        booking_id=uuid4(),
        table_ids=ids(SELECTION_TABLES_MAX),
        window=WINDOW,
        state=AssignmentState.ACTIVE,
        assignment_epoch=2**40,
        party_size=500,
        actor=ACTOR,
        created_at=NOW,
        merge_group_id=uuid4(),
        hold_id=uuid4(),
        overrides=tuple(OVERRIDABLE),
    )


def longest_block() -> Block:
    return Block(
        block_id=uuid4(),
        restaurant_id=RESTAURANT.restaurant_id,
        table_ids=ids(BLOCK_TABLES_MAX),
        window=WINDOW,
        cause=BlockCause.PRIVATE_EVENT,
        note=WIDE * TEXT_LENGTH_MAX,
        released=False,
        actor=ACTOR,
        created_at=NOW,
    )


def largest_floor() -> Floor:
    words = tuple(f"{number:02d}".ljust(ATTRIBUTE_LENGTH_MAX, "x") for number in range(ATTRIBUTES_MAX))
    zones = [Zone(zone_id, WIDE * ZONE_NAME_LENGTH_MAX, 2**31 - 1) for zone_id in ids(ZONES_MAX)]
    table = Table(uuid4(), uuid4(), WIDE * TABLE_NAME_LENGTH_MAX, 100, 100, 100, True, words)
    tables = [replace(table, table_id=table_id) for table_id in ids(TABLES_MAX)]
    return Floor.of(
        zones, tables, [(a, b) for a, b in zip(ids(ADJACENCY_MAX), ids(ADJACENCY_MAX), strict=True)]
    )


def test_no_part_of_the_largest_snapshot_is_too_large() -> None:
    rows = range(2 * SNAPSHOT_PART_ROWS + 1)
    view = FloorView(
        restaurant=RESTAURANT,
        place=FloorPlace(2**40, uuid4()),
        now=NOW,
        window=WINDOW,
        inventory=Inventory(2**40, 2**40, largest_floor(), None),
        holds=tuple(longest_hold() for _ in rows),
        assignments=tuple(longest_assignment() for _ in rows),
        blocks=tuple(longest_block() for _ in rows),
    )
    parts = list(watch_floor_responses(RESTAURANT.restaurant_id, view))
    assert max(part.ByteSize() for part in parts) < RECEIVED_BYTES_MAX
    assert [bool(part.resume_token) for part in parts] == [False, False, True]
    head = parts[0].snapshot
    told = (head.taken_at, head.window_start, head.window_end)
    assert told == tuple(map(instant_message, (NOW, WINDOW.start, WINDOW.end)))
    assert len(head.floor.tables) == TABLES_MAX
    assert [part.snapshot.HasField("floor") for part in parts] == [True, False, False]
    held = [hold.hold_id for part in parts for hold in part.snapshot.holds]
    assert held == [str(hold.hold_id) for hold in view.holds]
    state = FloorState()
    for part in parts:
        assert not state.complete
        state.apply(part)
    assert state.complete
    assert len(state.claims) == 3 * len(rows)
