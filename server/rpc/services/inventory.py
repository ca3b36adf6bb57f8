# ruff: noqa: N802  # the contract gives the methods their names
"""The inventory service."""

from maitred.v1 import inventory_service_pb2 as pb
from maitred.v1 import inventory_service_pb2_grpc
from server.aside import aside
from server.orchestrator.use_cases import UseCases
from server.rpc.call import current_call
from server.rpc.interceptors.unary import Context
from server.rpc.messages import floor, inventory, policy
from server.rpc.messages.claims import block_message


class InventoryService(inventory_service_pb2_grpc.InventoryServiceServicer):
    def __init__(self, use_cases: UseCases) -> None:
        self._use = use_cases

    async def PutRestaurant(
        self, request: pb.PutRestaurantRequest, context: Context
    ) -> pb.PutRestaurantResponse:
        call = current_call.get()
        answer = await self._use.put_restaurant(
            call.caller, inventory.read_put_restaurant(request), call.deadline
        )
        return pb.PutRestaurantResponse(restaurant=inventory.restaurant_message(answer))

    async def GetRestaurant(
        self, request: pb.GetRestaurantRequest, context: Context
    ) -> pb.GetRestaurantResponse:
        call = current_call.get()
        answer = await self._use.get_restaurant(call.caller, inventory.read_restaurant_question(request))
        return pb.GetRestaurantResponse(restaurant=inventory.restaurant_message(answer))

    async def ListRestaurants(
        self, request: pb.ListRestaurantsRequest, context: Context
    ) -> pb.ListRestaurantsResponse:
        call = current_call.get()
        answer = await self._use.list_restaurants(call.caller, inventory.read_list_restaurants(request))
        return inventory.list_restaurants_response(answer)

    async def PutServicePolicy(
        self, request: pb.PutServicePolicyRequest, context: Context
    ) -> pb.PutServicePolicyResponse:
        call = current_call.get()
        answer = await self._use.put_service_policy(
            call.caller, policy.read_put_service_policy(request), call.deadline
        )
        return pb.PutServicePolicyResponse(policy=policy.policy_message(answer))

    async def GetServicePolicy(
        self, request: pb.GetServicePolicyRequest, context: Context
    ) -> pb.GetServicePolicyResponse:
        call = current_call.get()
        answer = await self._use.get_service_policy(call.caller, inventory.read_restaurant_question(request))
        return pb.GetServicePolicyResponse(policy=policy.policy_message(answer))

    async def PutFloor(self, request: pb.PutFloorRequest, context: Context) -> pb.PutFloorResponse:
        call = current_call.get()
        # A thousand tables take a while to read and to write: other calls go on meanwhile.
        command = await aside(lambda: floor.read_put_floor(request))
        answer = await self._use.put_floor(call.caller, command, call.deadline)
        return pb.PutFloorResponse(floor=await aside(lambda: floor.floor_message(answer)))

    async def GetFloor(self, request: pb.GetFloorRequest, context: Context) -> pb.GetFloorResponse:
        call = current_call.get()
        question = inventory.read_restaurant_question(request)
        answer = await self._use.get_floor(call.caller, question)
        return pb.GetFloorResponse(floor=await aside(lambda: floor.floor_message(answer)))

    async def UpdateTable(self, request: pb.UpdateTableRequest, context: Context) -> pb.UpdateTableResponse:
        call = current_call.get()
        answer = await self._use.update_table(call.caller, floor.read_update_table(request), call.deadline)
        return floor.update_table_response(answer)

    async def BlockTables(self, request: pb.BlockTablesRequest, context: Context) -> pb.BlockTablesResponse:
        call = current_call.get()
        answer = await self._use.block_tables(
            call.caller, inventory.read_block_tables(request), call.deadline
        )
        return pb.BlockTablesResponse(block=block_message(answer))

    async def UnblockTables(
        self, request: pb.UnblockTablesRequest, context: Context
    ) -> pb.UnblockTablesResponse:
        call = current_call.get()
        answer = await self._use.unblock_tables(
            call.caller, inventory.read_unblock_tables(request), call.deadline
        )
        return pb.UnblockTablesResponse(block=block_message(answer))

    async def ListBlocks(self, request: pb.ListBlocksRequest, context: Context) -> pb.ListBlocksResponse:
        call = current_call.get()
        answer = await self._use.list_blocks(call.caller, inventory.read_list_blocks(request))
        return inventory.list_blocks_response(answer)
