"""Give blocked tables back."""

from dataclasses import dataclass, replace
from uuid import UUID

from server.clock import Deadline
from server.domain.claims import Block
from server.domain.events import EventType, block_event
from server.domain.restaurant import Caller
from server.errors import Reason, refuse
from server.orchestrator.changes import AuditEntry, Changes
from server.orchestrator.idempotency import Once
from server.orchestrator.ports import Unit
from server.orchestrator.situation import lock_restaurant


@dataclass(frozen=True, slots=True)
class UnblockTablesCommand:
    request_id: UUID
    actor: str
    restaurant_id: UUID
    block_id: UUID


@dataclass(frozen=True, slots=True)
class UnblockTables:
    once: Once

    async def __call__(self, caller: Caller, command: UnblockTablesCommand, deadline: Deadline) -> Block:
        caller = caller.acting_for(command.actor)

        async def body(unit: Unit) -> Block:
            await lock_restaurant(unit, caller, command.restaurant_id)
            block = await unit.block(command.restaurant_id, command.block_id)
            if block is None:
                raise refuse(
                    Reason.BLOCK_NOT_FOUND,
                    f"No block {command.block_id} in this restaurant.",
                    restaurant_id=command.restaurant_id,
                    block_id=command.block_id,
                )
            if block.released:
                return block
            changes = Changes(
                claims_dropped_of=(block.block_id,),
                blocks_released=(block.block_id,),
                events=(block_event(EventType.BLOCK_RELEASED, block),),
                audit=(AuditEntry("unblock", "block", block.block_id, caller.actor, ""),),
            )
            await unit.write(block.restaurant_id, changes)
            return replace(block, released=True)

        return await self.once.run(caller, command, Block, body, deadline)
