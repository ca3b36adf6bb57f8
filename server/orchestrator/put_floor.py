"""Replace a restaurant's zones, tables and adjacency."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from uuid import UUID

from server.clock import Deadline
from server.domain.events import inventory_event
from server.domain.floor import Floor, floor_problems
from server.domain.limits import INSTANT_MAX
from server.domain.policy import Combinations
from server.domain.restaurant import Caller, Restaurant, inventory_etag
from server.domain.rules import occupancy_checks, require
from server.domain.window import Window
from server.errors import FieldViolation, ServiceError, bad_fields
from server.orchestrator.changes import AuditEntry, Changes
from server.orchestrator.idempotency import Once
from server.orchestrator.inventory_limits import require_enumerable
from server.orchestrator.ports import InventorySource, Unit
from server.orchestrator.situation import Situation, foreign, lock, require_etag


@dataclass(frozen=True, slots=True)
class PutFloorCommand:
    request_id: UUID
    actor: str
    restaurant_id: UUID
    floor: Floor
    etag: str = ""


@dataclass(frozen=True, slots=True)
class FloorPut:
    restaurant_id: UUID
    floor: Floor
    inventory_version: int


@dataclass(frozen=True, slots=True)
class PutFloor:
    once: Once
    inventories: InventorySource

    async def __call__(self, caller: Caller, command: PutFloorCommand, deadline: Deadline) -> FloorPut:
        require_consistent(command.floor)
        caller = caller.acting_for(command.actor)

        async def body(unit: Unit) -> FloorPut:
            situation = await lock(unit, self.inventories, caller, command.restaurant_id)
            version = situation.restaurant.inventory_version
            require_etag("floor", command.etag, inventory_etag(version))
            if situation.prepared.inventory.floor == command.floor:
                return FloorPut(command.restaurant_id, command.floor, version)
            await require_unclaimed(unit, situation, command.floor)
            after = await write_floor(unit, situation, command.floor, caller, "put_floor")
            return FloorPut(command.restaurant_id, command.floor, after.inventory_version)

        return await self.once.run(caller, command, FloorPut, body, deadline)


async def write_floor(
    unit: Unit,
    situation: Situation,
    floor: Floor,
    caller: Caller,
    action: str,
    sent: Mapping[str, str] = MappingProxyType({}),
) -> Restaurant:
    """Makes `floor` the restaurant's next inventory version. The database may know two names for one that the service
    takes for two; `sent` is what the request calls the floor and its fields.
    """
    policy = situation.prepared.inventory.policy
    combinations = policy.combinations if policy else Combinations()
    many = f"floor.{'tables' if combinations.some_merge_freely else 'adjacency'}"
    require_enumerable(floor, combinations, sent.get("floor", many))
    before = situation.restaurant
    after = replace(before, inventory_version=before.inventory_version + 1)
    changes = Changes(
        restaurant=after,
        floor=floor,
        events=(inventory_event(after, "floor"),),
        audit=(AuditEntry(action, "restaurant", after.restaurant_id, caller.actor, ""),),
    )
    try:
        await unit.write(after.restaurant_id, changes)
    except ServiceError as error:
        _refuse(error.refusal.violations, sent)
        raise
    return after


async def require_unclaimed(unit: Unit, situation: Situation, floor: Floor) -> None:
    """A table that somebody still has a claim on cannot be taken off the floor."""
    gone = [t for t in situation.prepared.inventory.floor.tables if t.table_id not in floor.by_id]
    if gone:
        future = Window(situation.now, INSTANT_MAX)
        ids = tuple(table.table_id for table in gone)
        claims = await unit.claims(situation.restaurant.restaurant_id, future, ids)
        live = foreign(claims, situation.now, None)
        require(occupancy_checks(gone, future, live, situation.time_zone), live)


def require_consistent(floor: Floor, sent: Mapping[str, str] = MappingProxyType({})) -> None:
    """Refuses a floor with references into nowhere or names used twice. `sent` is what the request calls the floor's
    fields where it does so in another way.
    """
    _refuse(floor_problems(floor), sent)


def _refuse(problems: Iterable[FieldViolation], sent: Mapping[str, str]) -> None:
    named = [replace(problem, field=sent.get(problem.field, problem.field)) for problem in problems]
    if named:
        raise bad_fields(named)
