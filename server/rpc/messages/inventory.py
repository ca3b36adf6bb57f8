"""Restaurants and blocks."""

from maitred.v1 import inventory_pb2
from maitred.v1 import inventory_service_pb2 as pb
from server.domain.claims import Block
from server.domain.limits import (
    BLOCK_TABLES_MAX,
    BLOCK_WINDOW_MAX_S,
    LIST_WINDOW_MAX_S,
    NAME_LENGTH_MAX,
    TEXT_LENGTH_MAX,
)
from server.domain.restaurant import Restaurant
from server.orchestrator.block_tables import BlockTablesCommand
from server.orchestrator.paging import Listed
from server.orchestrator.put_restaurant import PutRestaurantCommand
from server.orchestrator.read_inventory import BlocksQuestion, RestaurantQuestion, RestaurantsQuestion
from server.orchestrator.unblock_tables import UnblockTablesCommand
from server.rpc.fields import reading
from server.rpc.messages.claims import BLOCK_CAUSES_READ, block_message
from server.rpc.page_token import ListKey, page_token


def read_put_restaurant(request: pb.PutRestaurantRequest) -> PutRestaurantCommand:
    with reading(request) as fields:
        restaurant = fields.message("restaurant")
        return PutRestaurantCommand(
            request_id=fields.request_id(),
            actor=fields.actor(),
            restaurant_id=restaurant.uuid("restaurant_id"),
            name=restaurant.text("name", NAME_LENGTH_MAX, 1),
            time_zone=restaurant.time_zone("time_zone"),
            etag=restaurant.token("etag"),
        )


def read_restaurant_question(
    request: pb.GetRestaurantRequest | pb.GetServicePolicyRequest | pb.GetFloorRequest,
) -> RestaurantQuestion:
    with reading(request) as fields:
        return RestaurantQuestion(fields.uuid("restaurant_id"))


def read_list_restaurants(request: pb.ListRestaurantsRequest) -> RestaurantsQuestion:
    with reading(request) as fields:
        return RestaurantsQuestion(fields.page(ListKey.RESTAURANTS))


def read_block_tables(request: pb.BlockTablesRequest) -> BlockTablesCommand:
    with reading(request) as fields:
        return BlockTablesCommand(
            request_id=fields.request_id(),
            actor=fields.actor(),
            restaurant_id=fields.uuid("restaurant_id"),
            table_ids=fields.uuids("table_ids", BLOCK_TABLES_MAX, 1),
            window=fields.window("window_start", "window_end", BLOCK_WINDOW_MAX_S),
            cause=fields.choice("cause", BLOCK_CAUSES_READ),
            note=fields.text("note", TEXT_LENGTH_MAX),
        )


def read_unblock_tables(request: pb.UnblockTablesRequest) -> UnblockTablesCommand:
    with reading(request) as fields:
        return UnblockTablesCommand(
            request_id=fields.request_id(),
            actor=fields.actor(),
            restaurant_id=fields.uuid("restaurant_id"),
            block_id=fields.uuid("block_id"),
        )


def read_list_blocks(request: pb.ListBlocksRequest) -> BlocksQuestion:
    with reading(request) as fields:
        return BlocksQuestion(
            fields.uuid("restaurant_id"),
            fields.window("window_start", "window_end", LIST_WINDOW_MAX_S),
            fields.page(ListKey.BLOCKS),
        )


def restaurant_message(restaurant: Restaurant) -> inventory_pb2.Restaurant:
    return inventory_pb2.Restaurant(
        restaurant_id=str(restaurant.restaurant_id),
        name=restaurant.name,
        time_zone=restaurant.time_zone,
        policy_version=restaurant.policy_version,
        inventory_version=restaurant.inventory_version,
        floor_version=restaurant.floor_version,
        etag=restaurant.etag,
    )


def list_restaurants_response(listed: Listed[Restaurant]) -> pb.ListRestaurantsResponse:
    return pb.ListRestaurantsResponse(
        restaurants=map(restaurant_message, listed.rows),
        next_page_token=page_token(ListKey.RESTAURANTS, listed.next_after),
    )


def list_blocks_response(listed: Listed[Block]) -> pb.ListBlocksResponse:
    return pb.ListBlocksResponse(
        blocks=map(block_message, listed.rows), next_page_token=page_token(ListKey.BLOCKS, listed.next_after)
    )
