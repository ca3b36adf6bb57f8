"""Floors: put as a whole or table by table, and never against what is already claimed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import comb
from uuid import uuid4

import pytest

from maitred_client import (
    InvalidArgumentFieldError,
    TableBlockedError,
    TableConflictAssignedError,
    TableNotFoundError,
    VersionMismatchError,
    instant,
)
from maitred_client.messages import (
    Adjacency,
    Floor,
    PutFloorRequest,
    PutRestaurantRequest,
    Restaurant,
    Table,
    TableState,
    Zone,
)
from server.domain.limits import COMBINATIONS_MAX
from tests.builders.world_extras import House, refused
from tests.conftest import Served
from tests.support.database import expire, rows

pytestmark = pytest.mark.shared_server


async def test_the_same_floor_again_in_any_order_keeps_its_version(place: House) -> None:
    stored = await place.floor()
    assert (stored.inventory_version, stored.etag) == (1, "i1")
    shuffled = Floor(
        zones=reversed(stored.zones),
        tables=reversed(stored.tables),
        adjacency=[Adjacency(table_a=edge.table_b, table_b=edge.table_a) for edge in stored.adjacency],
    )
    assert await place.put_floor(shuffled) == stored
    for ids in [zone.zone_id for zone in stored.zones], [table.table_id for table in stored.tables]:
        assert ids == sorted(ids)
    edges = [(edge.table_a, edge.table_b) for edge in stored.adjacency]
    assert edges == sorted((min(edge), max(edge)) for edge in edges)
    stored.etag = "i0"
    error = await refused(place.put_floor(stored), VersionMismatchError)
    assert error.metadata == {"resource": "floor", "expected_etag": "i0", "current_etag": "i1"}


async def test_a_floor_can_be_there_before_the_policy(place: House) -> None:
    restaurant = Restaurant(restaurant_id=str(uuid4()), name="Next door", time_zone="UTC")
    await place.client.put_restaurant(PutRestaurantRequest(restaurant=restaurant))
    floor = await place.floor()
    floor.etag = ""
    request = PutFloorRequest(restaurant_id=restaurant.restaurant_id, floor=floor)
    assert (await place.client.put_floor(request)).floor.tables == floor.tables


async def test_two_tables_swap_their_names_in_one_put(place: House) -> None:
    def swap(floor: Floor) -> None:
        for table in floor.tables:
            table.name = {"W1": "W2", "W2": "W1"}.get(table.name, table.name)
        floor.zones[0].name, floor.zones[1].name = floor.zones[1].name, floor.zones[0].name

    changed = await place.change_floor(swap)
    assert changed.inventory_version == 2
    names = {table.table_id: table.name for table in (await place.floor()).tables}
    assert (names[place.tables["W1"]], names[place.tables["W2"]]) == ("W2", "W1")


def without(name: str) -> Callable[[Floor], None]:
    def remove(floor: Floor) -> None:
        (gone,) = (table for table in floor.tables if table.name == name)
        floor.tables.remove(gone)
        for edge in [e for e in floor.adjacency if gone.table_id in (e.table_a, e.table_b)]:
            floor.adjacency.remove(edge)

    return remove


async def test_a_table_with_live_claims_stays_on_the_floor(place: House) -> None:
    booking = await place.seated("W1")
    error = await refused(place.change_floor(without("W1")), TableConflictAssignedError)
    (conflict,) = error.conflicts
    assert (conflict.table_id, conflict.blocker_kind) == (place.tables["W1"], "ASSIGNMENT")
    assert (conflict.window_start, conflict.window_end) == (
        instant(booking.window_start),
        instant(booking.window_end),
    )
    assert error.metadata["table_ids"] == place.tables["W1"]
    assert (await place.floor()).inventory_version == 1


async def test_a_table_that_is_blocked_in_a_distant_year_cannot_be_taken_off(place: House) -> None:
    end = datetime(2199, 12, 31, tzinfo=UTC)
    await place.block("W1", start=end - timedelta(days=1), end=end)
    await refused(place.change_floor(without("W1")), TableBlockedError)


async def test_a_table_without_claims_leaves_and_comes_back(place: House, server: Served) -> None:
    whole = await place.floor()
    hold = await place.hold(await place.party(), "W1")
    await expire(server.database_url, hold.hold_id)
    assert (await place.change_floor(without("W1"))).inventory_version == 2
    await refused(place.hold(await place.party(), "W1"), TableNotFoundError)
    whole.etag = ""
    back = await place.put_floor(whole)
    assert back.inventory_version == 3
    assert back.tables == whole.tables
    assert back.adjacency == whole.adjacency
    await place.hold(await place.party(6), "W1", "W2")


async def test_a_name_that_became_free_can_be_given_to_another_table(place: House) -> None:
    def replace(floor: Floor) -> None:
        without("F6")(floor)
        floor.tables.append(Table(table_id=str(uuid4()), zone_id=place.zone_id, name="f6", capacity=2))

    changed = await place.change_floor(replace)
    assert {table.capacity for table in changed.tables if table.name == "f6"} == {2}


def _same_name(place: House, floor: Floor) -> None:
    floor.tables[0].name = floor.tables[1].name.lower()


def _unknown_zone(place: House, floor: Floor) -> None:
    floor.tables[0].zone_id = str(uuid4())


def _edge_across_zones(place: House, floor: Floor) -> None:
    floor.adjacency.append(place.edge("W1", "P1"))


def _edge_to_itself(place: House, floor: Floor) -> None:
    floor.adjacency.append(place.edge("W1", "W1"))


def _edge_to_nowhere(place: House, floor: Floor) -> None:
    floor.adjacency.append(Adjacency(table_a=place.tables["W1"], table_b=str(uuid4())))


def _same_zone_name(place: House, floor: Floor) -> None:
    floor.zones.append(Zone(zone_id=str(uuid4()), name="HALL"))


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        (_same_name, "floor.tables.name"),
        (_unknown_zone, "floor.tables.zone_id"),
        (_edge_across_zones, "floor.adjacency"),
        (_edge_to_itself, "floor.adjacency"),
        (_edge_to_nowhere, "floor.adjacency"),
        (_same_zone_name, "floor.zones.name"),
    ],
)
async def test_a_floor_that_contradicts_itself_is_refused(
    edit: Callable[[House, Floor], None], field: str, place: House
) -> None:
    error = await refused(place.change_floor(lambda floor: edit(place, floor)), InvalidArgumentFieldError)
    assert error.metadata["field"] == field
    assert error.violations[0].field == field
    assert (await place.floor()).inventory_version == 1


def dense_floor(place: House, tables: int) -> Floor:
    """Tables that all touch one another."""
    ids = [str(uuid4()) for _ in range(tables)]
    return Floor(
        zones=[Zone(zone_id=place.zone_id, name="Hall")],
        tables=[
            Table(table_id=id_, zone_id=place.zone_id, name=f"D{n}", capacity=2, movable=True)
            for n, id_ in enumerate(ids)
        ],
        adjacency=[Adjacency(table_a=a, table_b=b) for n, a in enumerate(ids) for b in ids[n + 1 :]],
    )


def merges(tables: int, tables_max: int) -> int:
    """How many sets of 2 to `tables_max` tables there are when all of them touch one another."""
    return sum(comb(tables, size) for size in range(2, tables_max + 1))


async def test_a_floor_with_too_many_merges_is_refused_naming_the_limit(place: House) -> None:
    most = max(tables for tables in range(2, 200) if merges(tables, 3) <= COMBINATIONS_MAX)
    assert (await place.put_floor(dense_floor(place, most))).inventory_version == 2
    limit = str(COMBINATIONS_MAX)
    error = await refused(
        place.change_policy(lambda policy: setattr(policy.combinations, "tables_max", 4)),
        InvalidArgumentFieldError,
    )
    assert error.metadata == {"field": "policy.combinations.tables_max", "limit": limit}
    error = await refused(place.put_floor(dense_floor(place, most + 1)), InvalidArgumentFieldError)
    assert error.metadata == {"field": "floor.adjacency", "limit": limit}
    assert (await place.floor()).inventory_version == 2


# One table


async def test_one_field_of_one_table_is_changed(place: House) -> None:
    before = {table.name: table for table in (await place.floor()).tables}
    answer = await place.update("W1", capacity=5)
    assert (answer.table.capacity, answer.table.max_party) == (5, 5)
    assert (answer.inventory_version, answer.etag) == (2, "i2")
    after = {table.name: table for table in (await place.floor()).tables}
    assert after.pop("W1") == answer.table
    assert before.pop("W1").attributes == answer.table.attributes
    assert after == before


async def test_without_a_largest_party_of_its_own_a_table_takes_its_capacity(place: House) -> None:
    await place.update("L8", min_party=1, max_party=6)
    assert (await place.update("L8", capacity=10)).table.max_party == 6
    answer = await place.update("L8", max_party=0)
    assert answer.table.max_party == answer.table.capacity


async def test_an_update_that_changes_nothing_keeps_the_version(place: House) -> None:
    answer = await place.update("W1", capacity=4, movable=True, attributes=["window"])
    assert (answer.inventory_version, answer.etag) == (1, "i1")


async def test_a_table_that_changed_meanwhile_is_not_updated(place: House) -> None:
    await place.update("W2", capacity=5)
    error = await refused(place.update("W1", "i1", capacity=6), VersionMismatchError)
    assert error.metadata == {"resource": "floor", "expected_etag": "i1", "current_etag": "i2"}


@pytest.mark.parametrize(
    ("table", "changes"),
    [
        ("L8", {"capacity": 4}),
        ("W1", {"min_party": 5}),
        ("L8", {"max_party": 4}),
        ("W1", {"min_party": 5, "max_party": 9}),
    ],
)
async def test_a_table_keeps_a_sensible_range_of_parties(
    table: str, changes: dict[str, object], place: House
) -> None:
    error = await refused(
        place.update(table, **changes),  # type: ignore[arg-type]
        InvalidArgumentFieldError,
    )
    assert error.metadata["field"] == "table.min_party"


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"name": "w2"}, "table.name"), ({"zone_id": str(uuid4())}, "table.zone_id")],
)
async def test_an_update_cannot_contradict_the_floor(
    changes: dict[str, object], field: str, place: House
) -> None:
    error = await refused(place.update("F6", **changes), InvalidArgumentFieldError)  # type: ignore[arg-type]
    assert error.metadata["field"] == field


async def test_a_table_cannot_leave_the_zone_of_those_that_it_touches(place: House) -> None:
    error = await refused(place.update("W1", zone_id=place.zones["Terrace"]), InvalidArgumentFieldError)
    assert {violation.field for violation in error.violations} == {"table.zone_id"}


async def test_a_table_that_would_bring_too_many_merges_stays_fixed(place: House) -> None:
    most = max(tables for tables in range(2, 200) if merges(tables, 3) <= COMBINATIONS_MAX)
    floor = dense_floor(place, most + 1)
    floor.tables[0].movable = False
    await place.put_floor(floor)
    crowded = replace(place, tables={"D0": floor.tables[0].table_id})
    error = await refused(crowded.update("D0", movable=True), InvalidArgumentFieldError)
    assert error.metadata == {"field": "table", "limit": str(COMBINATIONS_MAX)}


async def test_out_of_service_keeps_the_claims_that_are_there(place: House, server: Served) -> None:
    booking = await place.seated("W1")
    answer = await place.update("W1", state=TableState.TABLE_STATE_OUT_OF_SERVICE)
    assert answer.table.state == TableState.TABLE_STATE_OUT_OF_SERVICE
    assert len(await rows(server.database_url, "SELECT * FROM table_claims")) == 1
    assert not (await place.read(booking.booking_id)).needs_tables
