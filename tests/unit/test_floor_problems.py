"""Floors that contradict themselves."""

from dataclasses import replace
from uuid import UUID

import pytest

from server.domain.floor import Floor, Table, Zone, floor_problems
from tests.builders.floors import table, table_id, zone_id

ZONES = [Zone(zone_id(1), "Hall"), Zone(zone_id(2), "Patio")]
TABLES = [table(1, 4), table(2, 4), table(3, 4, zone=2)]
FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)


def problems(
    zones: list[Zone] = ZONES, tables: list[Table] = TABLES, edges: list[tuple[UUID, UUID]] | None = None
) -> list[tuple[str, str]]:
    place = Floor.of(zones, tables, edges or [])
    return [(found.field, found.description) for found in floor_problems(place)]


def test_a_floor_of_zones_and_tables_of_its_own_has_none() -> None:
    assert problems(edges=[(table_id(1), table_id(2))]) == []


def test_an_id_is_used_once() -> None:
    again = f"{str(table_id(1))!r} is used 2 times"
    assert problems(tables=[*TABLES, table(1, 2, name="Other")]) == [("floor.tables.table_id", again)]
    again = f"{str(zone_id(1))!r} is used 2 times"
    assert problems(zones=[*ZONES, Zone(zone_id(1), "Other")]) == [("floor.zones.zone_id", again)]


def test_a_name_is_used_once_whatever_its_case() -> None:
    assert problems(tables=[*TABLES, table(9, 2, name="t1")]) == [
        ("floor.tables.name", "'t1' is used 2 times")
    ]
    assert problems(zones=[*ZONES, replace(ZONES[0], zone_id=zone_id(9), name="HALL")]) == [
        ("floor.zones.name", "'hall' is used 2 times")
    ]


@pytest.mark.parametrize("nowhere", [FIRST, LAST], ids=["first", "last"])
def test_of_an_adjacency_the_end_that_is_no_table_is_named(nowhere: UUID) -> None:
    assert problems(edges=[(table_id(1), nowhere)]) == [
        ("floor.adjacency", f"{nowhere} is not a table of this floor")
    ]
