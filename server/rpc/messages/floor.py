"""The floor: zones, tables, adjacency."""

from collections.abc import Callable, Mapping
from functools import cache

from maitred.v1 import inventory_pb2 as pb
from maitred.v1 import inventory_service_pb2
from server.domain.floor import Edge, Floor, Table, Zone
from server.domain.limits import (
    ADJACENCY_MAX,
    CAPACITY_MAX,
    TABLE_NAME_LENGTH_MAX,
    TABLES_MAX,
    ZONE_NAME_LENGTH_MAX,
    ZONES_MAX,
)
from server.domain.restaurant import inventory_etag
from server.orchestrator.put_floor import FloorPut, PutFloorCommand
from server.orchestrator.update_table import TableUpdated, UpdateTableCommand
from server.rpc.fields import Fields, reading

SORT_ORDER_MIN, SORT_ORDER_MAX = -(2**31), 2**31 - 1

IN_SERVICE_READ: Mapping[int, bool] = {
    pb.TABLE_STATE_UNSPECIFIED: True,
    pb.TABLE_STATE_IN_SERVICE: True,
    pb.TABLE_STATE_OUT_OF_SERVICE: False,
}

# What each path of an update mask changes: the attribute of a table, and how its new value is read.
UPDATES: Mapping[str, tuple[str, Callable[[Fields], object]]] = {
    "name": ("name", lambda fields: fields.text("name", TABLE_NAME_LENGTH_MAX, 1)),
    "zone_id": ("zone_id", lambda fields: fields.uuid("zone_id")),
    "capacity": ("capacity", lambda fields: fields.integer("capacity", 1, CAPACITY_MAX)),
    "min_party": ("min_party", lambda fields: fields.integer("min_party", 1, CAPACITY_MAX, zero_means=1)),
    "max_party": ("max_party", lambda fields: fields.integer("max_party", 1, CAPACITY_MAX, zero_means=0)),
    "movable": ("movable", lambda fields: fields.boolean("movable")),
    "attributes": ("attributes", lambda fields: fields.attributes("attributes")),
    "state": ("in_service", lambda fields: fields.choice("state", IN_SERVICE_READ)),
}


def read_put_floor(request: inventory_service_pb2.PutFloorRequest) -> PutFloorCommand:
    with reading(request) as fields:
        floor = fields.message("floor")
        return PutFloorCommand(
            request_id=fields.request_id(),
            actor=fields.actor(),
            restaurant_id=fields.uuid("restaurant_id"),
            floor=Floor.of(
                [_read_zone(zone) for zone in floor.items("zones", ZONES_MAX)],
                [_read_table(table) for table in floor.items("tables", TABLES_MAX)],
                _read_adjacency(floor),
            ),
            etag=floor.token("etag"),
        )


def read_update_table(request: inventory_service_pb2.UpdateTableRequest) -> UpdateTableCommand:
    with reading(request) as fields:
        table = fields.message("table")
        updates = [UPDATES[path] for path in sorted(fields.mask("update_mask", tuple(UPDATES)))]
        return UpdateTableCommand(
            request_id=fields.request_id(),
            actor=fields.actor(),
            restaurant_id=fields.uuid("restaurant_id"),
            table_id=table.uuid("table_id"),
            changes=tuple(sorted((attribute, read(table)) for attribute, read in updates)),
            etag=fields.token("etag"),
        )


def _read_zone(fields: Fields) -> Zone:
    return Zone(
        fields.uuid("zone_id"),
        fields.text("name", ZONE_NAME_LENGTH_MAX, 1),
        fields.integer("sort_order", SORT_ORDER_MIN, SORT_ORDER_MAX),
    )


def _read_table(fields: Fields) -> Table:
    capacity = fields.integer("capacity", 1, CAPACITY_MAX)
    min_party = fields.integer("min_party", 1, max(1, capacity), zero_means=1)
    return Table(
        table_id=fields.uuid("table_id"),
        zone_id=fields.uuid("zone_id"),
        name=fields.text("name", TABLE_NAME_LENGTH_MAX, 1),
        capacity=capacity,
        min_party=min_party,
        max_party=fields.integer("max_party", min_party, CAPACITY_MAX, zero_means=capacity),
        movable=fields.boolean("movable"),
        attributes=fields.attributes("attributes"),
        in_service=fields.choice("state", IN_SERVICE_READ),
    )


def _read_adjacency(floor: Fields) -> list[Edge]:
    """Pairs of tables; a pair that comes twice, in either order, is a violation."""
    # By the numbers inside the ids, which are compared and hashed much faster.
    seen: dict[tuple[int, int], int] = {}
    edges: list[Edge] = []
    for index, fields in enumerate(floor.items("adjacency", ADJACENCY_MAX)):
        before = fields.violations.count
        a, b = fields.uuid("table_a"), fields.uuid("table_b")
        if fields.violations.count > before:
            continue
        pair = (a.int, b.int) if a.int < b.int else (b.int, a.int)
        if pair in seen:
            floor.bad(f"adjacency[{index}]", f"is the same pair as adjacency[{seen[pair]}]", "unique")
            continue
        seen[pair] = index
        edges.append((a, b))
    return edges


def table_message(table: Table) -> pb.Table:
    return pb.Table(
        table_id=str(table.table_id),
        zone_id=str(table.zone_id),
        name=table.name,
        capacity=table.capacity,
        min_party=table.min_party,
        max_party=table.max_party,
        movable=table.movable,
        attributes=table.attributes,
        state=pb.TABLE_STATE_IN_SERVICE if table.in_service else pb.TABLE_STATE_OUT_OF_SERVICE,
    )


def floor_message(put: FloorPut) -> pb.Floor:
    message = pb.Floor(
        restaurant_id=str(put.restaurant_id),
        inventory_version=put.inventory_version,
        etag=inventory_etag(put.inventory_version),
    )
    message.MergeFromString(_document(put.floor))
    return message


def _document(floor: Floor) -> bytes:
    """What every message with this floor says, as it is sent: messages that are put one behind the other are one."""
    known: bytes | None = floor.kept.get(pb.Floor)
    if known is None:
        written = cache(str)
        message = pb.Floor(
            zones=[
                pb.Zone(zone_id=str(zone.zone_id), name=zone.name, sort_order=zone.sort_order)
                for zone in floor.zones
            ],
            tables=map(table_message, floor.tables),
            adjacency=[pb.Adjacency(table_a=written(a), table_b=written(b)) for a, b in floor.adjacency],
        )
        known = floor.kept[pb.Floor] = message.SerializeToString()
    return known


def update_table_response(updated: TableUpdated) -> inventory_service_pb2.UpdateTableResponse:
    return inventory_service_pb2.UpdateTableResponse(
        table=table_message(updated.table),
        inventory_version=updated.inventory_version,
        etag=inventory_etag(updated.inventory_version),
    )
