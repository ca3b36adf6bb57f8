"""Change one table."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from server.clock import Deadline
from server.domain.floor import Floor, Table
from server.domain.restaurant import Caller, inventory_etag
from server.errors import Reason, bad_field, refuse
from server.orchestrator.idempotency import REQUEST_FIELD, Once
from server.orchestrator.ports import InventorySource, Unit
from server.orchestrator.put_floor import require_consistent, write_floor
from server.orchestrator.situation import lock, require_etag

# Where a floor that contradicts itself says so, and which field of one table brings it about.
_FIELDS = {
    "floor": "table",
    "floor.tables.name": "table.name",
    "floor.tables.zone_id": "table.zone_id",
    "floor.adjacency": "table.zone_id",
}


@dataclass(frozen=True, slots=True)
class UpdateTableCommand:
    """`changes` holds the new values of the `Table` attributes that change, by name and sorted."""

    request_id: UUID
    actor: str
    restaurant_id: UUID
    table_id: UUID
    changes: tuple[tuple[str, object], ...] = field(metadata={REQUEST_FIELD: "table, update_mask"})
    etag: str = ""


@dataclass(frozen=True, slots=True)
class TableUpdated:
    table: Table
    inventory_version: int


@dataclass(frozen=True, slots=True)
class UpdateTable:
    once: Once
    inventories: InventorySource

    async def __call__(self, caller: Caller, command: UpdateTableCommand, deadline: Deadline) -> TableUpdated:
        caller = caller.acting_for(command.actor)

        async def body(unit: Unit) -> TableUpdated:
            situation = await lock(unit, self.inventories, caller, command.restaurant_id)
            floor, version = situation.prepared.inventory.floor, situation.restaurant.inventory_version
            require_etag("floor", command.etag, inventory_etag(version))
            before = floor.by_id.get(command.table_id)
            if before is None:
                raise refuse(
                    Reason.TABLE_NOT_FOUND,
                    f"No table {command.table_id} in this restaurant.",
                    restaurant_id=command.restaurant_id,
                    table_ids=command.table_id,
                )
            table = changed_table(before, dict(command.changes))
            if table == before:
                return TableUpdated(before, version)
            others = (other for other in floor.tables if other.table_id != table.table_id)
            changed = Floor.of(floor.zones, (*others, table), floor.adjacency)
            require_consistent(changed, _FIELDS)
            after = await write_floor(unit, situation, changed, caller, "update_table", _FIELDS)
            return TableUpdated(table, after.inventory_version)

        return await self.once.run(caller, command, TableUpdated, body, deadline)


def changed_table(before: Table, changes: Mapping[str, object]) -> Table:
    """The table with the changes. A max_party of 0 means the capacity, and one that was the capacity follows it."""
    table = replace(before, **changes)  # type: ignore[arg-type]  # the edge read the values by the attributes' types
    follows = "max_party" not in changes and before.max_party == before.capacity
    if follows or table.max_party == 0:
        table = replace(table, max_party=table.capacity)
    largest = min(table.capacity, table.max_party)
    if not 1 <= table.min_party <= largest:
        raise bad_field(
            "table.min_party",
            f"{table.min_party} is not between 1 and {largest}, the most that the table takes",
            limit=largest,
        )
    return table
