"""Questions about restaurants, policies, floors and blocks."""

from dataclasses import dataclass
from uuid import UUID

from server.domain.claims import Block
from server.domain.restaurant import Caller, Restaurant
from server.domain.window import Window
from server.orchestrator.paging import Listed, block_sort_key, listed
from server.orchestrator.ports import Catalogue, InventorySource, Page
from server.orchestrator.put_floor import FloorPut
from server.orchestrator.put_service_policy import PolicyPut
from server.orchestrator.situation import known_restaurant, look


@dataclass(frozen=True, slots=True)
class RestaurantQuestion:
    restaurant_id: UUID


@dataclass(frozen=True, slots=True)
class RestaurantsQuestion:
    page: Page


@dataclass(frozen=True, slots=True)
class BlocksQuestion:
    restaurant_id: UUID
    window: Window
    page: Page


@dataclass(frozen=True, slots=True)
class GetRestaurant:
    catalogue: Catalogue

    async def __call__(self, caller: Caller, question: RestaurantQuestion) -> Restaurant:
        return (await known_restaurant(self.catalogue, caller, question.restaurant_id)).restaurant


@dataclass(frozen=True, slots=True)
class ListRestaurants:
    catalogue: Catalogue

    async def __call__(self, caller: Caller, question: RestaurantsQuestion) -> Listed[Restaurant]:
        return await listed(
            question.page,
            lambda page: self.catalogue.restaurants(caller.tenant_id, page),
            lambda restaurant: (restaurant.name, str(restaurant.restaurant_id)),
        )


@dataclass(frozen=True, slots=True)
class GetServicePolicy:
    catalogue: Catalogue
    inventories: InventorySource

    async def __call__(self, caller: Caller, question: RestaurantQuestion) -> PolicyPut:
        situation = await look(self.catalogue, self.inventories, caller, question.restaurant_id)
        return PolicyPut(situation.policy, situation.prepared.inventory.policy_version)


@dataclass(frozen=True, slots=True)
class GetFloor:
    catalogue: Catalogue
    inventories: InventorySource

    async def __call__(self, caller: Caller, question: RestaurantQuestion) -> FloorPut:
        situation = await look(self.catalogue, self.inventories, caller, question.restaurant_id)
        inventory = situation.prepared.inventory
        return FloorPut(question.restaurant_id, inventory.floor, inventory.inventory_version)


@dataclass(frozen=True, slots=True)
class ListBlocks:
    catalogue: Catalogue

    async def __call__(self, caller: Caller, question: BlocksQuestion) -> Listed[Block]:
        await known_restaurant(self.catalogue, caller, question.restaurant_id)
        return await listed(
            question.page,
            lambda page: self.catalogue.blocks(question.restaurant_id, question.window, page),
            block_sort_key,
        )
