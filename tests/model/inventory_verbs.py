"""Restaurants, policies, floors, tables and blocks."""

from dataclasses import replace
from typing import Any, ClassVar

from google.protobuf.field_mask_pb2 import FieldMask

from maitred_client import messages as pb
from tests.model.rules import taken, unknown_tables
from tests.model.verb import (
    ETAGS,
    SETS,
    UNKNOWN,
    Arguments,
    Choices,
    Moment,
    Verb,
    any_of,
    at,
    length,
    over,
    reasons_sent,
    record,
    some_of,
    versions,
)
from tests.model.views import (
    block_told,
    floor_read,
    policy_read,
    restaurant_told,
    table_read,
)
from tests.model.words import Block, Table

FOR_EVER = 2**40
MINUTE, HOUR = 60, 3_600
ZONES = ["UTC", "Europe/London", "America/New_York"]

PERIODS = any_of(
    [("day", "00:00", "24:00")],
    [("day", "00:00", "24:00")],
    [("lunch", "11:30", "15:00"), ("dinner", "17:30", "22:30")],
    [("night", "08:00", "04:00")],
)
TURNS = any_of([(8, 90)], [(2, 60), (4, 75), (6, 90)], [(2, 45), (5, 120)])
POLICIES = record(
    {
        "periods": PERIODS,
        "turns": TURNS,
        "may_overrun": any_of(True, False),
        "shortest": any_of(None, 30),
        "before": any_of(0, 0, 10),
        "after": any_of(0, 5),
        "slack_max": any_of(6, 6, 2, 0, 20),
        "merging": any_of(True, True, True, False),
        "tables_max": any_of(3, 2, 4),
        "mode": any_of("CONNECTED", "PAIRWISE", "HUB"),
        "adjacent_from": any_of(0, 0, 1, 4, 6),
        "lead": any_of(None, 30, 60, 60),
        "engine": any_of("V2", "V2", "LEGACY"),
        # None leaves it to the default.
        "relaxations": any_of(
            None,
            [],
            ["SLACK_BUDGET_EXCEEDED"],
            ["SLACK_BUDGET_EXCEEDED", "CAPACITY_BELOW_MIN_PARTY"],
            ["COMBINATION_TOO_LARGE", "SLACK_BUDGET_EXCEEDED", "CAPACITY_BELOW_MIN_PARTY"],
        ),
    }
)
TABLES = record(
    {
        "zone": any_of(0, 0, 0, 1),
        "capacity": any_of(4, 4, 2, 6),
        "min_party": any_of(1, 1, 1, 2),
        "max_party": any_of(0, 0, 2),
        "movable": any_of(True, True, True, False),
        "window": any_of(True, False),
        "in_service": any_of(True, True, True, True, False),
    }
)
FLOORS = record(
    {
        "tables": lambda rng: [TABLES(rng) for _ in range(rng.randint(3, 6))],
        "missing": any_of([], [], [], [0], [1, 4]),
        "touching": any_of(
            [(0, 1), (1, 2), (2, 3), (3, 4)], [(0, 1), (1, 2), (0, 2)], [(0, 1), (0, 2), (0, 3)], []
        ),
    }
)


def policy_message(given: Arguments) -> pb.ServicePolicy:
    def minutes(number: int | None) -> Any:
        return length((number or 0) * MINUTE) if number is not None else None

    turns = [pb.TurnTime(party_size_max=size, duration=minutes(stay)) for size, stay in given["turns"]]
    policy = pb.ServicePolicy(
        periods=[
            pb.ServicePeriod(
                name=name,
                opens=opens,
                closes=closes,
                may_overrun=given["may_overrun"],
                shortest_stay=minutes(given["shortest"]),
                turn_times=turns,
            )
            for name, opens, closes in given["periods"]
        ],
        buffer_before=minutes(given["before"]),
        buffer_after=minutes(given["after"]),
        slack_max=given["slack_max"],
        check_in_lead=minutes(given["lead"]),
        engine=pb.PlanEngine.Value(f"PLAN_ENGINE_{given['engine']}"),
    )
    if given["relaxations"] is not None:
        policy.relaxations.CopyFrom(pb.RelaxationPolicy(reasons=reasons_sent(given["relaxations"])))
    rules = policy.combinations
    rules.enabled, rules.tables_max = given["merging"], given["tables_max"]
    rules.adjacency_mode = pb.AdjacencyMode.Value(f"ADJACENCY_MODE_{given['mode']}")
    if given["adjacent_from"]:
        rules.adjacency_party_size_min = given["adjacent_from"]
    return policy


def floor_message(moment: Moment, given: Arguments) -> pb.Floor:
    """Edges between tables of different zones are left out: no floor may have them."""
    numbered = {n: table for n, table in enumerate(given["tables"]) if n not in given["missing"]}
    edges = [
        pb.Adjacency(table_a=moment.id_of("table", a), table_b=moment.id_of("table", b))
        for a, b in given["touching"]
        if a in numbered and b in numbered and numbered[a]["zone"] == numbered[b]["zone"]
    ]
    zones = [pb.Zone(zone_id=moment.id_of("zone", n), name=f"Zone {n}") for n in (0, 1)]
    tables = [_table_message(moment, number, table) for number, table in numbered.items()]
    return pb.Floor(zones=zones, tables=tables, adjacency=edges)


def _table_message(moment: Moment, number: int, given: Arguments) -> pb.Table:
    return pb.Table(
        table_id=moment.id_of("table", number),
        zone_id=moment.id_of("zone", given["zone"]),
        name=f"T{number}",
        capacity=given["capacity"],
        min_party=given["min_party"],
        max_party=given["max_party"] or given["capacity"],
        movable=given["movable"],
        attributes=["window"] if given["window"] else [],
        state=_state(given["in_service"]),
    )


def _state(in_service: bool) -> "pb.TableState.ValueType":
    states = pb.TableState
    return states.TABLE_STATE_IN_SERVICE if in_service else states.TABLE_STATE_OUT_OF_SERVICE


class PutRestaurant(Verb):
    method = "put_restaurant"
    weight = 1
    arguments: ClassVar[Choices] = {"name": any_of("Lumen", "Nox"), "zone": any_of(*ZONES), "etag": ETAGS}

    def request(self, moment: Moment, given: Arguments) -> pb.PutRestaurantRequest:
        restaurant = pb.Restaurant(
            restaurant_id=moment.place.restaurant_id,
            name=given["name"],
            time_zone=given["zone"],
            etag=moment.etag(
                given["etag"], f"r{moment.place.revision}" if moment.place.tenant is not None else ""
            ),
        )
        return pb.PutRestaurantRequest(restaurant=restaurant)

    def problems(self, moment: Moment, request: pb.PutRestaurantRequest) -> set[str]:
        place = moment.place
        if place.tenant == moment.tenant:
            return versions(request.restaurant.etag, f"r{place.revision}")
        unknown = {"RESTAURANT_NOT_FOUND"} if place.tenant is not None else set()
        return unknown | versions(request.restaurant.etag, "")

    def happen(self, moment: Moment, request: pb.PutRestaurantRequest, answer: Any) -> Arguments:
        place, wanted = moment.place, request.restaurant
        if (place.tenant, place.name, place.time_zone) != (moment.tenant, wanted.name, wanted.time_zone):
            place.tenant, place.name, place.time_zone = moment.tenant, wanted.name, wanted.time_zone
            place.revision += 1
            place.floor_version += 1
        return {"restaurant": restaurant_told(place)}


class PutServicePolicy(Verb):
    method = "put_service_policy"
    weight = 1
    arguments: ClassVar[Choices] = {"policy": POLICIES, "etag": ETAGS}

    def request(self, moment: Moment, given: Arguments) -> pb.PutServicePolicyRequest:
        policy = policy_message(given["policy"])
        policy.etag = moment.etag(given["etag"], f"p{moment.place.policy_version}")
        return pb.PutServicePolicyRequest(restaurant_id=moment.place.restaurant_id, policy=policy)

    def problems(self, moment: Moment, request: pb.PutServicePolicyRequest) -> set[str]:
        return versions(request.policy.etag, f"p{moment.place.policy_version}")

    def happen(self, moment: Moment, request: pb.PutServicePolicyRequest, answer: Any) -> Arguments:
        place, policy = moment.place, policy_read(request.policy)
        if place.policy != policy:
            place.policy = policy
            place.policy_version += 1
            place.floor_version += 1
        return {"policy": policy}


class PutFloor(Verb):
    method = "put_floor"
    weight = 1
    arguments: ClassVar[Choices] = {"floor": FLOORS, "etag": ETAGS}

    def request(self, moment: Moment, given: Arguments) -> pb.PutFloorRequest:
        floor = floor_message(moment, given["floor"])
        floor.etag = moment.etag(given["etag"], f"i{moment.place.inventory_version}")
        return pb.PutFloorRequest(restaurant_id=moment.place.restaurant_id, floor=floor)

    def problems(self, moment: Moment, request: pb.PutFloorRequest) -> set[str]:
        place = moment.place
        gone = set(place.floor.tables) - {table.table_id for table in request.floor.tables}
        stale = versions(request.floor.etag, f"i{place.inventory_version}")
        return stale | taken(place.claims(moment.now), gone, (moment.now, FOR_EVER))

    def happen(self, moment: Moment, request: pb.PutFloorRequest, answer: Any) -> Arguments:
        floor = floor_read(request.floor)
        if moment.place.floor != floor:
            moment.place.floor = floor
            moment.place.inventory_version += 1
            moment.place.floor_version += 1
        return {"floor": floor}


class UpdateTable(Verb):
    method = "update_table"
    weight = 1
    arguments: ClassVar[Choices] = {
        "table": any_of(0, 1, 2, 3, UNKNOWN),
        "values": TABLES,
        "paths": some_of(["capacity", "min_party", "movable", "attributes", "state", "zone_id"], 1, 2),
        "etag": ETAGS,
    }

    def request(self, moment: Moment, given: Arguments) -> pb.UpdateTableRequest:
        return pb.UpdateTableRequest(
            restaurant_id=moment.place.restaurant_id,
            table=_table_message(moment, given["table"], given["values"]),
            update_mask=FieldMask(paths=sorted(given["paths"])),
            etag=moment.etag(given["etag"], f"i{moment.place.inventory_version}"),
        )

    def problems(self, moment: Moment, request: pb.UpdateTableRequest) -> set[str]:
        place, table_id = moment.place, request.table.table_id
        found = versions(request.etag, f"i{place.inventory_version}")
        if table_id not in place.floor.tables:
            return found | {"TABLE_NOT_FOUND"}
        changed = _changed(place.floor.tables[table_id], request)
        others = {end for edge in place.floor.edges if table_id in edge for end in edge if end != table_id}
        apart = any(place.floor.tables[other].zone != changed.zone for other in others)
        impossible = changed.min_party > min(changed.capacity, changed.max_party)
        nowhere = changed.zone not in place.floor.zones
        return found | ({"INVALID_ARGUMENT_FIELD"} if apart or impossible or nowhere else set())

    def happen(self, moment: Moment, request: pb.UpdateTableRequest, answer: Any) -> Arguments:
        place, table_id = moment.place, request.table.table_id
        changed = _changed(place.floor.tables[table_id], request)
        if place.floor.tables[table_id] != changed:
            place.floor = replace(place.floor, tables={**place.floor.tables, table_id: changed})
            place.inventory_version += 1
            place.floor_version += 1
        return {
            "table": changed,
            "inventory_version": place.inventory_version,
            "etag": f"i{place.inventory_version}",
        }


def _changed(before: Table, request: pb.UpdateTableRequest) -> Table:
    """A table that took as many as it has seats goes on doing so."""
    wanted, after = table_read(request.table), before
    for path in request.update_mask.paths:
        name = {"state": "in_service", "zone_id": "zone"}.get(path, path)
        after = replace(after, **{name: getattr(wanted, name)})
    return replace(after, max_party=after.capacity) if before.max_party == before.capacity else after


class BlockTables(Verb):
    method = "block_tables"
    weight = 1
    arguments: ClassVar[Choices] = {
        "tables": SETS,
        "from_minute": any_of(-90, 0, 30, 60, 120, 240),
        "minutes": any_of(30, 60),
    }

    def request(self, moment: Moment, given: Arguments) -> pb.BlockTablesRequest:
        start = moment.now - moment.now % (15 * MINUTE) + given["from_minute"] * MINUTE
        return pb.BlockTablesRequest(
            restaurant_id=moment.place.restaurant_id,
            table_ids=moment.tables(given["tables"]),
            window_start=at(start),
            window_end=at(start + given["minutes"] * MINUTE),
            cause=pb.BlockCause.BLOCK_CAUSE_OTHER,
            note="painting",
        )

    def problems(self, moment: Moment, request: pb.BlockTablesRequest) -> set[str]:
        window = (request.window_start.seconds, request.window_end.seconds)
        unknown = {"TABLE_NOT_FOUND"} if unknown_tables(moment.place, request.table_ids) else set()
        return (
            unknown
            | over(window, moment.now)
            | taken(moment.place.claims(moment.now), request.table_ids, window)
        )

    def happen(self, moment: Moment, request: pb.BlockTablesRequest, answer: Any) -> Arguments:
        window = (request.window_start.seconds, request.window_end.seconds)
        made = answer.block.block_id
        block = Block(made, tuple(sorted(request.table_ids)), window, request.note, moment.actor, moment.now)
        moment.place.blocks[made] = block
        moment.place.floor_version += 1
        return {"block": block_told(block)}


class UnblockTables(Verb):
    method = "unblock_tables"
    weight = 1
    arguments: ClassVar[Choices] = {"block": any_of(1, 1, 2, UNKNOWN)}

    def request(self, moment: Moment, given: Arguments) -> pb.UnblockTablesRequest:
        made = list(moment.place.blocks)
        known = given["block"] <= len(made)
        block_id = made[-given["block"]] if known else moment.id_of("zone", UNKNOWN)
        return pb.UnblockTablesRequest(restaurant_id=moment.place.restaurant_id, block_id=block_id)

    def problems(self, moment: Moment, request: pb.UnblockTablesRequest) -> set[str]:
        return set() if request.block_id in moment.place.blocks else {"BLOCK_NOT_FOUND"}

    def happen(self, moment: Moment, request: pb.UnblockTablesRequest, answer: Any) -> Arguments:
        block = moment.place.blocks[request.block_id]
        if not block.released:
            block.released = True
            moment.place.floor_version += 1
        return {"block": block_told(block)}


INVENTORY_VERBS = (
    PutRestaurant(),
    PutServicePolicy(),
    PutFloor(),
    UpdateTable(),
    BlockTables(),
    UnblockTables(),
)
