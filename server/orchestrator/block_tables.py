"""Take tables for nobody."""

from dataclasses import dataclass, field
from uuid import UUID

from server.clock import Deadline
from server.domain.claims import Block, BlockCause, Claim, HoldState
from server.domain.events import EventType, block_event
from server.domain.restaurant import Caller
from server.domain.rules import known_tables, occupancy_checks, require
from server.domain.window import Window
from server.errors import ClaimKind
from server.orchestrator.changes import AuditEntry, Changes
from server.orchestrator.hold_tables import closed_hold_events
from server.orchestrator.idempotency import REQUEST_FIELD, Once
from server.orchestrator.identity import NewId
from server.orchestrator.ports import InventorySource, Unit
from server.orchestrator.situation import expired_holds, foreign, lock


@dataclass(frozen=True, slots=True)
class BlockTablesCommand:
    request_id: UUID
    actor: str
    restaurant_id: UUID
    table_ids: tuple[UUID, ...]
    window: Window = field(metadata={REQUEST_FIELD: "window_start, window_end"})
    cause: BlockCause
    note: str = ""


@dataclass(frozen=True, slots=True)
class BlockTables:
    once: Once
    inventories: InventorySource
    new_id: NewId

    async def __call__(self, caller: Caller, command: BlockTablesCommand, deadline: Deadline) -> Block:
        caller = caller.acting_for(command.actor)

        async def body(unit: Unit) -> Block:
            situation = await lock(unit, self.inventories, caller, command.restaurant_id)
            floor = situation.prepared.inventory.floor
            tables = known_tables(floor, command.table_ids, command.restaurant_id)
            situation.require_future(command.window)
            block = Block(
                self.new_id(),
                command.restaurant_id,
                tuple(table.table_id for table in tables),
                command.window,
                command.cause,
                command.note,
                released=False,
                actor=caller.actor,
                created_at=situation.now,
            )
            claims = await unit.claims(command.restaurant_id, block.window, block.table_ids)
            live = foreign(claims, situation.now, None)
            require(occupancy_checks(tables, block.window, live, situation.time_zone), live)
            expired = dict.fromkeys(expired_holds(claims, situation.now), HoldState.EXPIRED)
            await unit.write(block.restaurant_id, await _changes(unit, block, expired, caller))
            return block

        return await self.once.run(caller, command, Block, body, deadline)


async def _changes(unit: Unit, block: Block, expired: dict[UUID, HoldState], caller: Caller) -> Changes:
    return Changes(
        claims_dropped_of=tuple(expired),
        claims_added=tuple(
            Claim(table_id, block.window, ClaimKind.BLOCK, block.block_id) for table_id in block.table_ids
        ),
        hold_states=expired,
        blocks_added=(block,),
        events=(
            *await closed_hold_events(unit, block.restaurant_id, expired, caller.actor, ""),
            block_event(EventType.BLOCK_CREATED, block),
        ),
        audit=(AuditEntry("block", "block", block.block_id, caller.actor, block.note),),
    )
