"""Create a restaurant, or change its name and time zone."""

from dataclasses import dataclass, replace
from uuid import UUID

from server.clock import Deadline
from server.domain.events import inventory_event
from server.domain.restaurant import Caller, Restaurant
from server.orchestrator.changes import AuditEntry, Changes
from server.orchestrator.idempotency import Once
from server.orchestrator.ports import OwnUnit
from server.orchestrator.situation import require_etag, restaurant_not_found


@dataclass(frozen=True, slots=True)
class PutRestaurantCommand:
    request_id: UUID
    actor: str
    restaurant_id: UUID
    name: str
    time_zone: str
    etag: str = ""


@dataclass(frozen=True, slots=True)
class PutRestaurant:
    once: Once

    async def __call__(self, caller: Caller, command: PutRestaurantCommand, deadline: Deadline) -> Restaurant:
        caller = caller.acting_for(command.actor)

        async def body(unit: OwnUnit) -> Restaurant:
            standing = await unit.lock_restaurant(caller.tenant_id, command.restaurant_id)
            if standing is None:
                require_etag("restaurant", command.etag, "")
                return await _create(unit, caller, command)
            before = standing.restaurant
            require_etag("restaurant", command.etag, before.etag)
            if (before.name, before.time_zone) == (command.name, command.time_zone):
                return before
            after = replace(
                before, name=command.name, time_zone=command.time_zone, revision=before.revision + 1
            )
            version = await unit.write(after.restaurant_id, _changes(after, caller, "change"))
            return replace(after, floor_version=version)

        return await self.once.run(caller, command, Restaurant, body, deadline)


async def _create(unit: OwnUnit, caller: Caller, command: PutRestaurantCommand) -> Restaurant:
    """A new restaurant; an id that another tenant uses looks like one that does not exist."""
    restaurant = Restaurant(
        command.restaurant_id, caller.tenant_id, command.name, command.time_zone, 1, 0, 0, 0
    )
    if not await unit.add_restaurant(restaurant):
        raise restaurant_not_found(command.restaurant_id)
    version = await unit.write(command.restaurant_id, _changes(restaurant, caller, "create"))
    return replace(restaurant, floor_version=version)


def _changes(restaurant: Restaurant, caller: Caller, action: str) -> Changes:
    return Changes(
        restaurant=restaurant,
        events=(inventory_event(restaurant, "restaurant"),),
        audit=(AuditEntry(action, "restaurant", restaurant.restaurant_id, caller.actor, ""),),
    )
