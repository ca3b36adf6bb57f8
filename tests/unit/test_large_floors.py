"""What is done by a quicker way on floors of thousands of adjacencies says what the plain way says."""

from dataclasses import fields
from random import Random
from uuid import UUID

import pytest

from server.domain.floor import Edge, Floor
from server.orchestrator.put_floor import FloorPut
from server.rpc.messages.floor import floor_message
from tests.builders.floors import floor, table


def random_floor(adjacencies: int) -> Floor:
    rng = Random(adjacencies)
    pairs = [(rng.randint(1, 30), rng.randint(31, 60)) for _ in range(adjacencies)]
    return floor([table(number, 4) for number in range(1, 61)], pairs)


@pytest.mark.parametrize("adjacencies", [0, 1, 2, 300])
def test_a_floor_is_written_as_a_dataclass_writes_itself(adjacencies: int) -> None:
    place = random_floor(adjacencies)
    values = ", ".join(f"{field.name}={getattr(place, field.name)!r}" for field in fields(place))
    assert repr(place) == f"Floor({values})"


def test_the_order_and_the_direction_of_adjacencies_do_not_matter_nor_does_a_repetition() -> None:
    place = random_floor(300)
    assert all(a < b for a, b in place.adjacency)
    assert list(place.adjacency) == sorted(place.adjacency)
    turned: list[Edge] = [(b, a) for a, b in place.adjacency]
    Random(1).shuffle(turned)
    assert Floor.of(place.zones, place.tables[::-1], [*turned, *place.adjacency]) == place


@pytest.mark.parametrize("adjacencies", [0, 1, 300])
def test_a_floor_says_all_its_adjacencies_every_time_it_is_told(adjacencies: int) -> None:
    place = random_floor(adjacencies)
    for version in (1, 2):
        message = floor_message(FloorPut(UUID(int=7), place, version))
        told = [(each.table_a, each.table_b) for each in message.adjacency]
        assert told == [(str(a), str(b)) for a, b in place.adjacency]
        assert [each.table_id for each in message.tables] == [str(each.table_id) for each in place.tables]
        assert message.inventory_version == version
